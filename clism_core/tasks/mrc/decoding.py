"""From the logits of a question's windows to its answers.

Shapes: B windows, L tokens, A tokens of an answer at most, N candidates of a window.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from clism_core.data.order import Integers
from clism_core.model.span_head import SpanLogits
from clism_core.tasks.mrc.windows import Window

N_CANDIDATES = 20
"""Answers of a question, the best ones of all its windows, that share out the probability among them."""


class AnswerSpan(NamedTuple):
    """Characters `[start, end)` of a context that answer a question with `probability`, 0 to 1."""

    start: int
    end: int
    probability: float


NO_ANSWER = AnswerSpan(0, 0, 0.0)
"""The answer over a passage in which no token has characters."""


class Candidates(NamedTuple):
    """Spans of one window, in characters of the context `[start, end)`, with the sums of their two logits."""

    starts_N: Integers
    ends_N: Integers
    scores_N: npt.NDArray[np.float64]


def find_candidates(logits: SpanLogits, windows: Sequence[Window], *, max_answer_length: int) -> list[Candidates]:
    """Return the best spans of each window, among them the `N_CANDIDATES` that have the highest scores.

    A span begins and ends with a token that has characters of its own, and has `max_answer_length` tokens at most.

    Args:
        logits: [B, 1, L], -inf outside the passage.
        windows: the B windows.
        max_answer_length: A.
    """
    offsets_N2 = [np.array(window.offsets, dtype=np.int64).reshape(-1, 2) for window in windows]
    unusable_BL = _unusable(offsets_N2, windows, length=logits.start_BKL.shape[-1]).to(logits.start_BKL.device)
    start_BL, end_BL = (scores.squeeze(1).masked_fill(unusable_BL, float("-inf")) for scores in logits)
    # tokens of equal characters (of a word, where a tokenizer knows no offsets; bytes of a character) give many spans
    # of equal characters: the best few could all be one answer, so that all spans are taken
    n_best = N_CANDIDATES if all(map(_tell_characters_apart, offsets_N2)) else None
    best = _best_spans(start_BL, end_BL, max_answer_length, n_best)
    candidates = []
    for window, offsets, scores, first, last in zip(
        windows, offsets_N2, *(found.cpu().numpy() for found in best), strict=True
    ):
        real = np.isfinite(scores)
        starts = offsets[first[real] - window.passage_start, 0]
        ends = offsets[last[real] - window.passage_start, 1]
        forward = starts < ends  # unless a tokenizer has changed the order of characters
        candidates.append(Candidates(starts[forward], ends[forward], scores[real][forward].astype(np.float64)))
    return candidates


def merge_candidates(windows: Sequence[Candidates]) -> list[AnswerSpan]:
    """Return the best answers over all windows of a question, best first, each once, `N_CANDIDATES` at most.

    An answer that several windows hold has its best score in any of them. The probabilities are the softmax of the
    scores over the answers that are returned; where there is none, `NO_ANSWER` is the only one.
    """
    if not any(len(window.scores_N) for window in windows):
        return [NO_ANSWER]
    starts, ends, scores = (np.concatenate(parts) for parts in zip(*windows, strict=True))
    order = np.lexsort((ends, starts, -scores))  # of equal scores the first in the text
    _, first_places = np.unique(np.stack([starts, ends])[:, order], axis=1, return_index=True)
    chosen = order[np.sort(first_places)[:N_CANDIDATES]]
    weights = np.exp(scores[chosen] - scores[chosen[0]])
    probabilities = weights / weights.sum()
    return [
        AnswerSpan(int(starts[place]), int(ends[place]), float(probability))
        for place, probability in zip(chosen, probabilities, strict=True)
    ]


def _best_spans(
    start_BL: Tensor, end_BL: Tensor, max_answer_length: int, n_best: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the scores [B, N] of the best spans, best first, and their first and last tokens; all spans for None."""
    longest = min(max_answer_length, start_BL.shape[1])
    padded = functional.pad(end_BL, (0, longest - 1), value=float("-inf"))
    scores_BLA = start_BL.unsqueeze(-1) + padded.unfold(1, longest, 1)  # at [l, a]: from token l to token l + a
    scores_BX = scores_BLA.flatten(1)
    best = scores_BX.topk(scores_BX.shape[1] if n_best is None else min(n_best, scores_BX.shape[1]), dim=1)
    first_BN = best.indices // longest
    return best.values, first_BN, first_BN + best.indices % longest


def _unusable(offsets_N2: Sequence[Integers], windows: Sequence[Window], *, length: int) -> Tensor:
    """Return which tokens [B, L] are not of the passage or have no characters of their own."""
    unusable_BL = np.ones((len(windows), length), dtype=np.bool_)
    for row, window, offsets in zip(unusable_BL, windows, offsets_N2, strict=True):
        row[window.passage_start : window.passage_stop] = offsets[:, 0] >= offsets[:, 1]
    return torch.from_numpy(unusable_BL)


def _tell_characters_apart(offsets_N2: Integers) -> bool:
    """Tell whether spans of different tokens are spans of different characters."""
    own = offsets_N2[offsets_N2[:, 0] < offsets_N2[:, 1]]
    return bool((np.diff(own, axis=0) > 0).all())
