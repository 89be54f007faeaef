import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clism_core.model.span_head import SpanLogits
from clism_core.tasks.mrc.decoding import N_CANDIDATES, NO_ANSWER, AnswerSpan, find_candidates, merge_candidates
from clism_core.tasks.mrc.windows import Window

LEFT = 3
"""Tokens before the passage."""


def make_window(offsets: list[tuple[int, int]]) -> Window:
    return Window([0] * (LEFT + len(offsets) + 1), que_position=1, passage_start=LEFT, offsets=offsets)


def make_logits(windows: list[Window], starts: list[list[float]], ends: list[list[float]]) -> SpanLogits:
    """Return logits of passage tokens, -inf elsewhere, padded to the longest window."""
    size = max(len(window.input_ids) for window in windows)
    logits = torch.full((2, len(windows), 1, size), -math.inf)
    for row, window in enumerate(windows):
        for side, values in enumerate((starts, ends)):
            logits[side, row, 0, window.passage_start : window.passage_stop] = torch.tensor(values[row])
    return SpanLogits(logits[0], logits[1])


def decode(
    windows: list[Window], starts: list[list[float]], ends: list[list[float]], *, max_answer_length: int = 30
) -> list[AnswerSpan]:
    logits = make_logits(windows, starts, ends)
    return merge_candidates(find_candidates(logits, windows, max_answer_length=max_answer_length))


def brute_force(
    windows: list[Window], starts: list[list[float]], ends: list[list[float]], max_answer_length: int
) -> list[tuple[int, int, float]]:
    """Return the best answers and their probabilities by looking at every span."""
    best: dict[tuple[int, int], float] = {}
    for window, start_scores, end_scores in zip(windows, starts, ends, strict=True):
        for first, (start, stop) in enumerate(window.offsets):
            for last in range(first, min(first + max_answer_length, len(window.offsets))):
                left, end = window.offsets[last]
                if start < stop and left < end and start < end:
                    score = start_scores[first] + end_scores[last]
                    best[start, end] = max(score, best.get((start, end), -math.inf))
    ranked = sorted(best.items(), key=lambda item: -item[1])[:N_CANDIDATES]
    total = sum(math.exp(score) for _, score in ranked)
    return [(start, end, math.exp(score) / total) for (start, end), score in ranked]


@st.composite
def passages(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Return offsets of tokens, some without characters of their own, with those of the token before, or swapped."""
    offsets, at = [], 0
    for kind in draw(
        st.lists(st.sampled_from(["own", "own", "own", "empty", "same", "same", "swap", "reaching over"]), max_size=25)
    ):
        if kind == "empty":
            offsets.append((at, at))
        elif kind == "same" and offsets:
            offsets.append(offsets[-1])
        elif kind == "swap":
            offsets[-2:] = offsets[-2:][::-1]
        elif kind == "reaching over" and at:
            offsets.append((at - 1, at + 1))
            at += 1
        else:
            offsets.append((at, at + 2))
            at += 3
    return offsets


@given(
    offsets=passages(), room=st.integers(4, 12), max_answer_length=st.integers(1, 14), seed=st.integers(0, 2**32 - 1)
)
@settings(max_examples=200, deadline=None)
def test_the_best_spans_match_an_exhaustive_search(
    offsets: list[tuple[int, int]], room: int, max_answer_length: int, seed: int
) -> None:
    parts = [offsets[first : first + room] for first in range(0, max(1, len(offsets) - 3), room - 3)]
    windows = [make_window(part) for part in parts]
    generator = np.random.default_rng(seed)
    starts, ends = ([generator.normal(0, 3, len(part)).tolist() for part in parts] for _ in range(2))
    found = decode(windows, starts, ends, max_answer_length=max_answer_length)
    expected = brute_force(windows, starts, ends, max_answer_length)
    if not expected:
        assert found == [NO_ANSWER]
        return
    assert [(start, end) for start, end, _ in found] == [(start, end) for start, end, _ in expected]
    assert [answer.probability for answer in found] == pytest.approx([p for *_, p in expected], abs=1e-4)
    assert sum(answer.probability for answer in found) == pytest.approx(1.0)


WORDS = [(0, 4), (5, 9), (10, 12), (13, 18)]


@pytest.mark.parametrize(
    ("starts", "ends", "max_answer_length", "expected"),
    [
        pytest.param([0, 9, 0, 0], [0, 0, 9, 0], 30, (5, 12), id="best start and best end"),
        pytest.param([0, 0, 9, 0], [0, 8, 0, 0], 30, (10, 12), id="an end before the start does not count"),
        pytest.param([9, 0, 0, 0], [0, 0, 0, 9], 4, (0, 18), id="as long as may be"),
        pytest.param([9, 0, 0, 0], [0, 1, 0, 8], 3, (0, 9), id="no longer than may be"),
        pytest.param([3, 3, 3, 3], [3, 3, 3, 3], 30, (0, 4), id="of equal scores the first and shortest"),
    ],
)
def test_the_best_valid_span(
    starts: list[float], ends: list[float], max_answer_length: int, expected: tuple[int, int]
) -> None:
    best, *_ = decode([make_window(WORDS)], [starts], [ends], max_answer_length=max_answer_length)
    assert (best.start, best.end) == expected


def test_scores_of_windows_are_compared_without_normalisation() -> None:
    windows = [make_window(WORDS[:2]), make_window(WORDS[1:])]
    best, second, *_ = decode(windows, [[1, 2], [5, 0, 4]], [[1, 2], [1, 0, 3]])
    assert (best.start, best.end) == (5, 18)
    assert (second.start, second.end) == (13, 18)
    assert best.probability / second.probability == pytest.approx(math.e)


def test_an_answer_in_two_windows_counts_once_with_its_better_score() -> None:
    windows = [make_window([(0, 4)]), make_window([(0, 4)])]
    assert decode(windows, [[1], [3]], [[1], [3]]) == [AnswerSpan(0, 4, 1.0)]


def test_padding_does_not_change_candidates() -> None:
    short, long = make_window(WORDS), make_window([(3 * i, 3 * i + 2) for i in range(50)])
    starts, ends = [0.1, 0.4, 0.2, 0.3], [0.4, 0.3, 0.2, 0.1]
    logits = make_logits([short, long], [starts, [9.0] * 50], [ends, [9.0] * 50])
    together = merge_candidates(find_candidates(logits, [short, long], max_answer_length=30)[:1])
    alone = decode([short], [starts], [ends])
    assert [answer[:2] for answer in together] == [answer[:2] for answer in alone]
    assert len(alone) == 10


@pytest.mark.parametrize(
    "offsets",
    [
        pytest.param([(2 * i, 2 * i + 1) for i in range(40)], id="own characters"),
        pytest.param([(2 * (i // 3), 2 * (i // 3) + 1) for i in range(40)], id="three tokens of a word"),
        pytest.param([(2 * i, 2 * i + 1) for i in reversed(range(40))], id="backwards"),
    ],
)
def test_a_window_keeps_only_its_best_answers(offsets: list[tuple[int, int]]) -> None:
    window = make_window(offsets)
    values = [float(i % 7) for i in range(40)]
    (found,) = find_candidates(make_logits([window], [values], [values]), [window], max_answer_length=30)
    spans = list(zip(found.starts_N.tolist(), found.ends_N.tolist(), strict=True))
    assert len(spans) == len(set(spans)) == N_CANDIDATES
    assert found.scores_N.tolist() == sorted(found.scores_N, reverse=True)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_non_finite_logits_are_rejected(broken: float) -> None:
    with pytest.raises(FloatingPointError, match="not finite"):
        decode([make_window(WORDS)], [[0, broken, 0, 0]], [[0, 0, 0, 0]])


@pytest.mark.parametrize("offsets", [[], [(2, 2)], [(0, 0), (5, 5)]])
def test_a_passage_without_characters_has_no_answer(offsets: list[tuple[int, int]]) -> None:
    values = [[1.0] * len(offsets)]
    assert decode([make_window(offsets)], values, values) == [(0, 0, 0.0)]
    assert merge_candidates([]) == [(0, 0, 0.0)]
