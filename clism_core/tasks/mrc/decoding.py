"""Decoding of answers from the logits of a question's windows.

Shapes: B windows, L tokens, A maximum tokens of an answer, N candidates of a window.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from clism_core.model.span_head import SpanLogits
from clism_core.tasks.mrc.windows import Window
from clism_core.training.data.sampler import Integers

N_CANDIDATES = 20
"""Number of best answers over all windows of a question that share its probability mass."""


class AnswerSpan(NamedTuple):
    """Characters `[start, end)` of a context that answer a question, and their probability, 0 to 1."""

    start: int
    end: int
    probability: float


NO_ANSWER = AnswerSpan(0, 0, 0.0)
"""Answer for a passage in which no token has characters."""


class Candidates(NamedTuple):
    """Spans of one window, as characters `[start, end)` of the context, with the sums of their two logits."""

    starts_N: Integers
    ends_N: Integers
    scores_N: npt.NDArray[np.float64]


def find_candidates(logits: SpanLogits, windows: Sequence[Window], *, max_answer_length: int) -> list[Candidates]:
    """Return the `N_CANDIDATES` best distinct spans of each window, best first.

    A span starts and ends with a token that has its own characters, and has at most `max_answer_length` tokens.

    Args:
        logits: [B, 1, L], -inf outside the passage.
        windows: the B windows.
        max_answer_length: A.

    Raises:
        FloatingPointError: if a logit of the passage is infinite or not a number.
    """
    offsets_N2 = [np.array(window.offsets, dtype=np.int64).reshape(-1, 2) for window in windows]
    unusable_BL = _unusable(offsets_N2, windows, length=logits.start_BKL.shape[-1]).to(logits.start_BKL.device)
    start_BL, end_BL = (scores.squeeze(1).masked_fill(unusable_BL, float("-inf")) for scores in logits)
    # Tokens with equal characters (sub-words of a word if a tokenizer has no offsets; bytes of a character; dots of an
    # ellipsis) yield several spans with equal characters, so more spans are selected to obtain enough distinct ones.
    equal = [_n_equal_spans(offsets) for offsets in offsets_N2]
    n_best = None if None in equal else N_CANDIDATES * max(filter(None, equal))
    best = _best_spans(start_BL, end_BL, max_answer_length, n_best)
    candidates = []
    for window, offsets, scores, first, last in zip(
        windows, offsets_N2, *(tensor.cpu().numpy() for tensor in best), strict=True
    ):
        if not (scores < np.inf).all():
            raise FloatingPointError(
                "the model's logits are not finite (NaN or infinite), so there is no best answer: its weights are "
                "corrupt, or they overflow in fp16"
            )
        real = scores > -np.inf
        starts = offsets[first[real] - window.passage_start, 0]
        ends = offsets[last[real] - window.passage_start, 1]
        forward = starts < ends  # false if a tokenizer reorders characters
        candidates.append(_distinct(starts[forward], ends[forward], scores[real][forward].astype(np.float64)))
    return candidates


def merge_candidates(windows: Sequence[Candidates]) -> list[AnswerSpan]:
    """Return the at most `N_CANDIDATES` best distinct answers over all windows of a question, best first.

    An answer in several windows keeps its best score. The probabilities are the softmax of the scores over the returned
    answers. Without candidates, `NO_ANSWER` is the only answer.
    """
    if not any(len(window.scores_N) for window in windows):
        return [NO_ANSWER]
    starts, ends, scores = (np.concatenate(parts) for parts in zip(*windows, strict=True))
    best = _distinct(starts, ends, scores)
    weights = np.exp(best.scores_N - best.scores_N[0])
    answers = zip(best.starts_N, best.ends_N, weights / weights.sum(), strict=True)
    return [AnswerSpan(int(start), int(end), float(probability)) for start, end, probability in answers]


def _distinct(starts: Integers, ends: Integers, scores: npt.NDArray[np.float64]) -> Candidates:
    """Return the at most `N_CANDIDATES` best distinct spans, best first, each with its best score."""
    order = np.lexsort((ends, starts, -scores))  # ties: the first in the text
    spans = starts[order] * (ends.max(initial=0) + 1) + ends[order]  # a unique number for each span
    chosen = order[np.sort(np.unique(spans, return_index=True)[1])[:N_CANDIDATES]]
    return Candidates(starts[chosen], ends[chosen], scores[chosen])


def _best_spans(
    start_BL: Tensor, end_BL: Tensor, max_answer_length: int, n_best: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the scores [B, N] of the best spans, best first, and their first and last tokens; None: all spans."""
    longest = min(max_answer_length, start_BL.shape[1])
    padded = functional.pad(end_BL, (0, longest - 1), value=float("-inf"))
    scores_BLA = start_BL.unsqueeze(-1) + padded.unfold(1, longest, 1)  # [l, a]: span from token l to token l + a
    scores_BX = scores_BLA.flatten(1)
    best = scores_BX.topk(scores_BX.shape[1] if n_best is None else min(n_best, scores_BX.shape[1]), dim=1)
    first_BN = best.indices // longest
    return best.values, first_BN, first_BN + best.indices % longest


def _unusable(offsets_N2: Sequence[Integers], windows: Sequence[Window], *, length: int) -> Tensor:
    """Return a mask [B, L] of the tokens that are outside the passage or have no characters of their own."""
    unusable_BL = np.ones((len(windows), length), dtype=np.bool_)
    for row, window, offsets in zip(unusable_BL, windows, offsets_N2, strict=True):
        row[window.passage_start : window.passage_stop] = offsets[:, 0] >= offsets[:, 1]
    return torch.from_numpy(unusable_BL)


def _n_equal_spans(offsets_N2: Integers) -> int | None:
    """Return an upper bound on the number of token spans with equal characters; None if tokens and characters differ in
    order."""
    own = offsets_N2[offsets_N2[:, 0] < offsets_N2[:, 1]]
    if not len(own):
        return 1
    if (np.diff(own, axis=0) < 0).any():
        return None
    equal_starts, equal_ends = (np.unique(places, return_counts=True)[1].max() for places in own.T)
    return int(equal_starts * equal_ends)
