"""Metrics of the held-out evaluation in plots and model cards: those of the model, and baselines."""

from dataclasses import dataclass
from typing import Any

from clism_core.model.objective import BaseObjective, Metric
from clism_core.pretraining.objectives.build import OBJECTIVES


@dataclass(frozen=True)
class Measure:
    """Metric of a language pair, logged as `eval/PAIR/NAME`."""

    name: str
    label: str
    """Label in plots."""
    column: str
    """Heading in tables."""
    colour: str | None


RETRIEVAL = (
    Measure("retrieval_accuracy", "sentence retrieval, source to target", "retrieval", "tab:orange"),
    Measure("retrieval_accuracy_reverse", "sentence retrieval, target to source", "retrieval, reverse", "tab:red"),
)
BASELINES = (
    Measure(
        "longest_unaligned_run_exact_match",
        "baseline: longest unaligned run",
        "longest unaligned run (baseline)",
        "tab:blue",
    ),
    Measure("random_run_exact_match", "baseline: random capitalised or digit run", "random run (baseline)", "tab:gray"),
)


def evaluation_name(objective: type[BaseObjective[Any]] | BaseObjective[Any], metric: Metric) -> str:
    """Return the name of an objective's metric in evaluations."""
    return metric.evaluation_name or f"{objective.name}_{metric.name}"


def objective_measures() -> tuple[Measure, ...]:
    """Return the metrics of all registered objectives that have a label."""
    return tuple(
        Measure(evaluation_name(objective, metric), metric.label, metric.label, metric.colour)
        for objective in OBJECTIVES
        for metric in objective.metrics
        if metric.label
    )
