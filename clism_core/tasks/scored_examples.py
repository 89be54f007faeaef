"""Per-example contributions to a score, which confidence intervals and paired tests resample."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredExamples:
    """Examples of one test set; the score is the sum of their numerators over the sum of their denominators.

    For the mean of a score per question, the numerators are the scores and the denominators are 1. Micro F1 =
    2PR / (P + R) is 2 * correct / (gold + predicted), in which both terms add up over sentences. Either score is a
    percentage.
    """

    scorer: str
    """Name of the scorer, such as `squad-1.1`."""
    score: str
    """Name of the score, such as `f1`."""
    ids: tuple[str, ...]
    """Ids of the examples, unique and in ascending order, so that seeded results do not depend on the scoring order."""
    numerators: NDArray[np.float64]
    """Numerator of each example, scaled so that the score is a percentage."""
    denominators: NDArray[np.float64]
    """Denominator of each example."""

    @cached_property
    def value(self) -> float:
        """Score over all examples, 0 to 100."""
        return float(ratio(self.numerators.sum(), self.denominators.sum()))


def ratio(numerators: NDArray[np.float64], denominators: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quotients; 0 if the denominator is 0, as conlleval scores text without entities."""
    return np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators != 0)
