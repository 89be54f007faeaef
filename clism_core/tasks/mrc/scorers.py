"""Exact match and F1 of answers: what the scorers of SQuAD and MLQA have in common.

They differ in how they normalise a text. Both compare a predicted answer with every gold answer and take the best, for
exact match and for F1 each on its own.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Literal, NamedTuple, TypedDict

import numpy as np

from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.utils.errors import InputError


class AnswerScore(NamedTuple):
    """What one question's predicted answer scores."""

    exact_match: float
    """100 or 0."""
    f1: float
    """0 to 100, of the bags of tokens."""


class AnswerSummary(TypedDict):
    """The figures of one test set, as `metrics.json` has them."""

    exact_match: float
    f1: float
    n: int
    scorer: str


@dataclass(frozen=True, kw_only=True)
class AnswerMetrics:
    """The scores of a test set."""

    scorer: str
    """`squad.SCORER` or `mlqa.SCORER`."""
    scores: Mapping[str, AnswerScore]
    """By the question's id. A question that was not answered has to be there, with the score of an empty answer."""

    def summary(self) -> AnswerSummary:
        """Return the means over all questions, 0 to 100, and their number; raises `InputError` where there is none."""
        return {
            "exact_match": self._mean("exact_match"),
            "f1": self._mean("f1"),
            "n": len(self.scores),
            "scorer": self.scorer,
        }

    def examples(self, score: Literal["exact_match", "f1"]) -> ScoredExamples:
        """Return the named score of every question, for intervals and tests."""
        ids = tuple(sorted(self.scores))
        values = np.array([getattr(self.scores[question], score) for question in ids], dtype=np.float64)
        return ScoredExamples(
            scorer=self.scorer, score=score, ids=ids, numerators=values, denominators=np.ones_like(values)
        )

    def _mean(self, score: str) -> float:
        if not self.scores:
            raise InputError("a test set without questions has no score: name a file that has some")
        # fsum: the same figure in whatever order the parts come in
        return fsum(getattr(each, score) for each in self.scores.values()) / len(self.scores)


def best_score(*, prediction: str, answers: Sequence[str], tokens: Callable[[str], list[str]]) -> AnswerScore:
    """Score `prediction` against the best of the gold `answers`, compared by what `tokens` makes of a text.

    Two texts without tokens, such as "the" and "", match exactly and yet have an F1 of 0: so the official scorers.

    Raises:
        InputError: `answers` is empty.
    """
    if not answers:
        raise InputError(
            "a question without gold answers cannot be scored: unanswerable questions (SQuAD 2.0) are out of scope; "
            "leave them out of the test set"
        )
    predicted = tokens(prediction)
    golds = [tokens(answer) for answer in answers]
    return AnswerScore(
        exact_match=100.0 * (predicted in golds),
        f1=max(_token_f1(predicted, gold) for gold in golds),
    )


def _token_f1(predicted: list[str], gold: list[str]) -> float:
    """Return 2PR / (P + R), 0 to 100, of the tokens that both have, each as often as both have it."""
    common = (Counter(predicted) & Counter(gold)).total()
    return 200.0 * common / (len(predicted) + len(gold)) if common else 0.0
