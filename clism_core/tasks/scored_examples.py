"""Per-example parts of a score: what intervals and paired tests resample."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredExamples:
    """Examples of one test set whose score is the sum of their numerators over the sum of their denominators.

    The mean of a score per question has the scores for numerators and ones for denominators. Micro F1 = 2PR / (P + R)
    is 2 * correct / (gold + predicted), whose parts add up over sentences. Either way the score is a percentage.
    """

    scorer: str
    """Whose rules were followed, such as `squad-1.1`."""
    score: str
    """Which of the scorer's figures this is, such as `f1`."""
    ids: tuple[str, ...]
    """Of the examples, each once, in ascending order: seeded results do not depend on the order of scoring."""
    numerators: NDArray[np.float64]
    """One per example, such that the score is a percentage."""
    denominators: NDArray[np.float64]
    """One per example."""

    @cached_property
    def value(self) -> float:
        """Return the score of all examples, 0 to 100."""
        return float(ratio(self.numerators.sum(), self.denominators.sum()))


def ratio(numerators: NDArray[np.float64], denominators: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quotients; 0 where the denominator is 0, as conlleval scores text without any entity."""
    return np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators != 0)
