"""Confidence intervals of scores and paired significance tests of two systems, by resampling examples.

The score of several test sets, such as the languages of XQuAD, is the unweighted mean of their scores, as results are
reported. Each test set is resampled separately, as if the sets were independent.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from clism_core.tasks.scored_examples import ScoredExamples, ratio
from clism_core.utils.errors import InputError

RESAMPLES = 9_999
"""Number of resamples that fixes the ends of a 95 % interval to about a hundredth of its width."""

# Maximum number of indices in memory: some tens of MB for the bootstrap; some hundreds for permutations, because each
# batch has a high overhead.
_BOOTSTRAP_BATCH = 1_000_000
_PERMUTATION_BATCH = 8_000_000


class Interval(NamedTuple):
    """A confidence interval, in points from 0 to 100."""

    low: float
    high: float


class Comparison(NamedTuple):
    """Difference of two systems on the same examples."""

    difference: float
    """Score of the challenger minus that of the champion, in points from 0 to 100."""
    interval: Interval
    """Paired bootstrap interval of the difference; if it excludes 0, the difference is significant."""
    p_value: float
    """Two-sided p value by approximate randomisation: the probability of a difference at least as great if outcomes
    were randomly swapped between the systems. Exact if there are no more permutations than resamples."""


def confidence_interval(
    tests: Sequence[ScoredExamples], *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """Return the percentile bootstrap interval of the mean score of `tests`.

    Args:
        tests: one or more test sets.
        confidence: confidence level, between 0 and 1.
        resamples: number of resamples of the examples, with replacement.
        seed: seed of the resampling.

    Returns:
        The interval; None if a test set has fewer than two examples, which give no estimate of the variance.

    Raises:
        InputError: if `tests` is empty.
    """
    if not tests:
        raise InputError("a confidence interval needs at least one test set")
    if any(len(test.ids) < 2 for test in tests):
        return None

    def score(*drawn: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        return _mean([_score(test, indices, axis) for test, indices in zip(tests, drawn, strict=True)])

    return _bootstrap(score, tests, confidence=confidence, resamples=resamples, seed=seed)


def compare(
    challenger: Sequence[ScoredExamples],
    champion: Sequence[ScoredExamples],
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two systems by their mean scores on the same test sets, example by example.

    Args:
        challenger, champion: scored test sets of each system, in the same order, at least one.
        confidence: confidence level of the interval, between 0 and 1.
        resamples: number of bootstrap resamples, and of permutations.
        seed: seed of both.

    Raises:
        InputError: if there are no test sets, the numbers of test sets differ, two paired test sets differ in examples,
            scorer or score, or a test set has fewer than two examples.
    """
    _check_paired(challenger, champion)

    def difference(*drawn: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        return _mean(
            [
                _score(new, indices, axis) - _score(old, indices, axis)
                for new, old, indices in zip(challenger, champion, drawn, strict=True)
            ]
        )

    return Comparison(
        difference=_mean_value(challenger) - _mean_value(champion),
        interval=_bootstrap(difference, challenger, confidence=confidence, resamples=resamples, seed=seed),
        p_value=_randomisation_p_value(challenger, champion, resamples=resamples, seed=seed),
    )


def _score(test: ScoredExamples, indices: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
    return ratio(test.numerators[indices].sum(axis=axis), test.denominators[indices].sum(axis=axis))


def _mean(scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean(scores, axis=0)
    return mean


def _batch(tests: Sequence[ScoredExamples], elements: int) -> int:
    return max(1, elements // sum(len(test.ids) for test in tests))


def _bootstrap(
    score: Callable[..., NDArray[np.float64]],
    tests: Sequence[ScoredExamples],
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> Interval:
    """Return the interval of `score`, a function of one array of resampled indices per test set."""
    result = stats.bootstrap(
        [np.arange(len(test.ids)) for test in tests],
        score,
        vectorized=True,
        method="percentile",  # as usual for these scores; BCa is undefined if all examples score the same
        confidence_level=confidence,
        n_resamples=resamples,
        batch=_batch(tests, _BOOTSTRAP_BATCH),
        rng=np.random.default_rng(seed),
    )
    return Interval(float(result.confidence_interval.low), float(result.confidence_interval.high))


def _randomisation_p_value(
    challenger: Sequence[ScoredExamples], champion: Sequence[ScoredExamples], *, resamples: int, seed: int
) -> float:
    pairs = list(zip(challenger, champion, strict=True))
    differing = [_differing(new, old) for new, old in pairs]  # swapping the others has no effect
    starts = np.cumsum([0, *(mask.sum() for mask in differing)])
    bounds = list(pairwise(starts))
    if starts[-1] < 2:  # both permutations of a single pair are equally extreme
        return 1.0
    equal_sums = [
        (new.numerators[~mask].sum(), new.denominators[~mask].sum())
        for (new, _), mask in zip(pairs, differing, strict=True)
    ]
    systems = (challenger, champion)
    numerators, denominators = (
        np.concatenate(
            [getattr(test, name)[mask] for tests in systems for test, mask in zip(tests, differing, strict=True)]
        )
        for name in ("numerators", "denominators")
    )

    def mean_score(permuted: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        parts = [permuted[..., start:end] for start, end in bounds]
        return _mean(
            [
                ratio(numerators[part].sum(axis=axis) + numerator, denominators[part].sum(axis=axis) + denominator)
                for part, (numerator, denominator) in zip(parts, equal_sums, strict=True)
            ]
        )

    def difference(new: NDArray[np.int64], old: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        # rounded, so that equal differences compare as equal regardless of the order of summation
        return np.round(mean_score(new, axis) - mean_score(old, axis), 9)

    result = stats.permutation_test(
        [np.arange(starts[-1]), np.arange(starts[-1]) + starts[-1]],
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, _PERMUTATION_BATCH // (2 * int(starts[-1]))),
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def _differing(new: ScoredExamples, old: ScoredExamples) -> NDArray[np.bool_]:
    """Return a mask of the examples on which the scores of the two systems differ."""
    mask: NDArray[np.bool_] = (new.numerators != old.numerators) | (new.denominators != old.denominators)
    return mask


def _mean_value(tests: Sequence[ScoredExamples]) -> float:
    return sum(test.value for test in tests) / len(tests)


def _check_paired(challenger: Sequence[ScoredExamples], champion: Sequence[ScoredExamples]) -> None:
    if not challenger or len(challenger) != len(champion):
        raise InputError(
            f"systems scored on {len(challenger)} and on {len(champion)} test sets cannot be compared: "
            "score both on the same test sets, at least one"
        )
    for number, (new, old) in enumerate(zip(challenger, champion, strict=True), start=1):
        if (new.scorer, new.score) != (old.scorer, old.score):
            raise InputError(
                f"test set {number}: {new.score} of {new.scorer} cannot be compared with {old.score} of {old.scorer}: "
                "score both systems with the same scorer and score"
            )
        if new.ids != old.ids:
            first = min(set(new.ids) ^ set(old.ids))
            raise InputError(
                f"test set {number}: example {first!r} is missing for one system: score both on the same file"
            )
        if len(new.ids) < 2:
            raise InputError(f"test set {number} has fewer than two examples, which is too few for a comparison")
