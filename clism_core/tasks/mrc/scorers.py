"""Exact match and F1 of answers: the shared part of the SQuAD and MLQA scorers.

They differ in how they normalise text. Both compare a predicted answer with every gold answer and take the maximum,
separately for exact match and F1.
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
    """Scores of the predicted answer to one question."""

    exact_match: float
    """Exact match: 100 or 0."""
    f1: float
    """F1 of the bags of tokens, 0 to 100."""


class AnswerSummary(TypedDict):
    """Scores of one test set, as written to `metrics.json`."""

    exact_match: float
    f1: float
    n: int
    scorer: str


@dataclass(frozen=True, kw_only=True)
class AnswerMetrics:
    """Scores of the questions in a test set."""

    scorer: str
    """Name of the scorer: `squad.SCORER` or `mlqa.SCORER`."""
    scores: Mapping[str, AnswerScore]
    """Scores by question id. An unanswered question must be included, with the score of an empty answer."""

    def summary(self) -> AnswerSummary:
        """Return the means over all questions, 0 to 100, and their number; raises `InputError` if there are none."""
        return {
            "exact_match": self._mean("exact_match"),
            "f1": self._mean("f1"),
            "n": len(self.scores),
            "scorer": self.scorer,
        }

    def examples(self, score: Literal["exact_match", "f1"]) -> ScoredExamples:
        """Return the given score of every question, for confidence intervals and significance tests."""
        ids = tuple(sorted(self.scores))
        values = np.array([getattr(self.scores[question], score) for question in ids], dtype=np.float64)
        return ScoredExamples(
            scorer=self.scorer, score=score, ids=ids, numerators=values, denominators=np.ones_like(values)
        )

    def _mean(self, score: str) -> float:
        if not self.scores:
            raise InputError("a test set without questions cannot be scored: give a file with questions")
        # fsum: the sum does not depend on the order of the questions
        return fsum(getattr(each, score) for each in self.scores.values()) / len(self.scores)


def best_score(*, prediction: str, answers: Sequence[str], tokens: Callable[[str], list[str]]) -> AnswerScore:
    """Score `prediction` against the best of the gold `answers`, compared by the tokens that `tokens` returns.

    Two texts without tokens, such as "the" and "", match exactly but have an F1 of 0, as in the official scorers.

    Raises:
        InputError: if `answers` is empty.
    """
    if not answers:
        raise InputError(
            "a question without gold answers cannot be scored: unanswerable questions (SQuAD 2.0) are out of scope; "
            "remove them from the test set"
        )
    predicted = tokens(prediction)
    golds = [tokens(answer) for answer in answers]
    return AnswerScore(
        exact_match=100.0 * (predicted in golds),
        f1=max(_token_f1(predicted, gold) for gold in golds),
    )


def _token_f1(predicted: list[str], gold: list[str]) -> float:
    """Return 2PR / (P + R), 0 to 100, from the multiset intersection of the tokens."""
    common = (Counter(predicted) & Counter(gold)).total()
    return 200.0 * common / (len(predicted) + len(gold)) if common else 0.0
