"""Scores of all test sets of an evaluation, in the format of `metrics.json`."""

from collections.abc import Mapping, Sequence
from typing import Any

from clism_core.evaluation.bootstrap import Comparison, compare, confidence_interval
from clism_core.evaluation.datasets import averaged
from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.tasks.test_data import Scored, TestSet, title

Metrics = dict[str, dict[str, dict[str, Any]]]
"""Results by data set, and by language or average: each score, `SCORE_interval` (its 95 % interval, two numbers, or
None for a single example), `n` and `scorer`; for NER also `by_label` with the same for each entity type."""

Scores = Mapping[str, Scored]
"""Scores of each test set, by its title."""


def metrics_of(test_sets: Sequence[TestSet], scores: Scores, *, resamples: int) -> Metrics:
    """Return the scores of each test set and the unweighted averages of each data set."""
    metrics: Metrics = {}
    for test_set in test_sets:
        scored = scores[title(test_set)]
        metrics.setdefault(test_set.dataset, {})[test_set.language] = _figures(scored, resamples=resamples)
    for dataset, name, members in averaged(test_sets):
        metrics[dataset][name] = _average(members, scores, resamples=resamples)
    return metrics


def differences(
    test_sets: Sequence[TestSet], challenger: Scores, champion: Scores, *, resamples: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return, by data set and by language or average, the `difference`, `interval` and `p_value` of each score.

    Raises:
        InputError: as `compare` does.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    groups = [(each.dataset, each.language, [each]) for each in test_sets] + list(averaged(test_sets))
    for dataset, name, members in groups:
        new, old = ([scores[title(each)].examples for each in members] for scores in (challenger, champion))
        found.setdefault(dataset, {})[name] = {
            score: _difference(
                compare([each[score] for each in new], [each[score] for each in old], resamples=resamples)
            )
            for score in new[0]
        }
    return found


def _difference(comparison: Comparison) -> dict[str, Any]:
    return {
        "difference": comparison.difference,
        "interval": list(comparison.interval),
        "p_value": comparison.p_value,
    }


def _figures(scored: Scored, *, resamples: int) -> dict[str, Any]:
    figures = dict(scored.summary)
    figures |= {f"{name}_interval": _interval([each], resamples) for name, each in scored.examples.items()}
    if "by_label" in figures:
        figures["by_label"] = {
            label: {**counts, "f1_interval": _interval([scored.by_label[label]], resamples)}
            for label, counts in figures["by_label"].items()
        }
    return figures


def _average(members: Sequence[TestSet], scores: Scores, *, resamples: int) -> dict[str, Any]:
    scored = [scores[title(member)].examples for member in members]
    figures: dict[str, Any] = {}
    for name in scored[0]:
        parts = [examples[name] for examples in scored]
        figures[name] = sum(part.value for part in parts) / len(parts)
        figures[f"{name}_interval"] = _interval(parts, resamples)
    n = sum(len(member.examples) for member in members)
    return {**figures, "n": n, "scorer": members[0].scorer, "languages": [member.language for member in members]}


def _interval(parts: Sequence[ScoredExamples], resamples: int) -> list[float] | None:
    interval = confidence_interval(parts, resamples=resamples)
    return None if interval is None else list(interval)


def conclusions(found: Mapping[str, Mapping[str, Mapping[str, Any]]], *, model: str, compared: str) -> dict[str, str]:
    """Return a sentence for each data set about the `differences` in its first score, on average.

    A model is better or worse if the interval excludes 0 and the p value is at most 0.05.
    """
    return {
        dataset: _conclusion(*next(iter(groups["average"].items())), model=model, compared=compared)
        for dataset, groups in found.items()
    }


def _conclusion(score: str, figures: Mapping[str, Any], *, model: str, compared: str) -> str:
    difference, (low, high) = figures["difference"], figures["interval"]
    measured = (
        f"by {abs(difference):.2f} points of {score_name(score)} on average (difference {difference:+.2f}, "
        f"95 % interval {low:+.2f} to {high:+.2f}, {p_text(figures['p_value'])})"
    )
    if difference == 0 and low == high == 0:
        return f"{model} and {compared} score the same."
    if figures["p_value"] > SIGNIFICANT or low <= 0 <= high:
        return f"{model} and {compared} differ {measured}: not significant, so neither is shown to be better."
    return f"{model} is {'better' if difference > 0 else 'worse'} than {compared} {measured}: significant."


def p_text(p_value: float) -> str:
    """Return `p 0.012`, or `p < 0.001` for values that would round to 0."""
    return "p < 0.001" if p_value < LEAST_SHOWN else f"p {p_value:.3f}"


LEAST_SHOWN = 0.001
SIGNIFICANT = 0.05
"""Maximum p value of a significant difference."""
SCORE_NAMES = {
    "exact_match": "exact match",
    "f1": "F1",
    "accuracy": "accuracy",
    "reverse_accuracy": "reverse accuracy",
}
"""Names of known scores in tables and charts."""


def score_name(score: str) -> str:
    """Return the name of a score in tables and charts."""
    return SCORE_NAMES.get(score, score.replace("_", " "))
