"""Alignment error rate, precision and recall of links and of projected spans, with their confidence intervals.

Franz Josef Och, Hermann Ney: A systematic comparison of various statistical alignment models (Computational Linguistics
29, 2003). With sure links only, as here, the alignment error rate is 1 - F1.
"""

from collections.abc import Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap

Counts = npt.NDArray[np.int64]
"""[sentences, 3]: number of correct, predicted and gold items."""

MEASURES = ("precision", "recall", "f1")
_RESAMPLES = 2000
_CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """Value in percent, with the bounds of its 95 % confidence interval."""

    value: float
    low: float
    high: float


def count(found: Iterable[AbstractSet[Hashable]], gold: Iterable[AbstractSet[Hashable]]) -> Counts:
    """Return the counts of each sentence, given its predicted and gold items."""
    return np.array([(len(f & g), len(f), len(g)) for f, g in zip(found, gold, strict=True)], dtype=np.int64)


def measure(right: Any, found: Any, gold: Any, *, name: str, axis: int = -1) -> Any:
    """Return a measure in percent over the sentences along `axis`; without predicted items, the precision is 100."""
    right, found, gold = right.sum(axis=axis), found.sum(axis=axis), gold.sum(axis=axis)
    parts = {"precision": (right, found), "recall": (right, gold), "f1": (2 * right, found + gold)}
    above, below = parts[name]
    return 100 * np.where(below == 0, 1.0, above / np.maximum(below, 1))


def estimate(counts: Counts, *, name: str, seed: int) -> Estimate:
    """Return a measure with its interval, by percentile bootstrap over sentences."""

    def statistic(right: Any, found: Any, gold: Any, axis: int = -1) -> Any:
        return measure(right, found, gold, name=name, axis=axis)

    return _bootstrap(counts.T, statistic, seed=seed)


def difference(one: Counts, other: Counts, *, name: str, seed: int) -> Estimate:
    """Return the difference in a measure between `one` and `other` with its interval, by paired bootstrap."""

    def statistic(*six: Any, axis: int = -1) -> Any:
        return measure(*six[:3], name=name, axis=axis) - measure(*six[3:], name=name, axis=axis)

    return _bootstrap([*one.T, *other.T], statistic, seed=seed)


def as_error(f1: Estimate) -> Estimate:
    """Convert the F1 of links to the alignment error rate."""
    return Estimate(100 - f1.value, 100 - f1.high, 100 - f1.low)


def _bootstrap(samples: Sequence[npt.NDArray[np.int64]] | Counts, statistic: Any, *, seed: int) -> Estimate:
    # With the same seed, the same sentences are sampled for every system.
    result = bootstrap(
        tuple(samples),
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=_RESAMPLES,
        confidence_level=_CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    return Estimate(float(statistic(*samples)), float(low), float(high))
