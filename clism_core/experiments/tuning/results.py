"""Results of a sweep: one row per trial, and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from ray.tune import ResultGrid

from clism_core.experiments.tuning.trial import OBJECTIVE, PROGRESS
from clism_core.utils.errors import failure_message, input_error_within
from clism_core.utils.markdown import markdown_table
from clism_core.utils.text import csv_cell

Status = Literal["finished", "stopped early", "failed"]


@dataclass(frozen=True)
class TrialResult:
    """Result of a trial."""

    trial_id: str
    status: Status
    parameters: Mapping[str, Any]
    objective: float | None
    """Last objective, for finished trials that of the exported model; None if nothing was evaluated."""
    progress: float
    """Percent of the steps before the last evaluation."""
    seconds: float
    run_id: str
    """Id of the MLflow run; empty unless finished."""
    error: str
    """Reason of the failure; empty if there was none."""
    is_input_error: bool = False
    """Whether the trial failed because of its configuration or input."""


def read_results(results: ResultGrid, mode: Literal["max", "min"]) -> list[TrialResult]:
    """Return the trials of a sweep: finished, stopped early, failed; within each, the best objective first."""
    rows = [_row(results[number]) for number in range(len(results))]
    order: Sequence[Status] = ("finished", "stopped early", "failed")
    sign = -1.0 if mode == "max" else 1.0
    return sorted(rows, key=lambda row: (order.index(row.status), sign * (row.objective or 0.0), row.trial_id))


def _row(result: Any) -> TrialResult:
    metrics = result.metrics or {}
    status: Status = "failed" if result.error else "finished" if metrics.get("finished") else "stopped early"
    return TrialResult(
        trial_id=str(metrics.get("trial_id", "")),
        status=status,
        parameters=dict(result.config or {}),
        objective=metrics.get(OBJECTIVE),
        progress=float(metrics.get(PROGRESS, 0.0)),
        seconds=float(metrics.get("time_total_s", 0.0)),
        run_id=str(metrics.get("run_id", "")),
        error=failure_message(result.error) if result.error else "",
        is_input_error=bool(result.error) and input_error_within(result.error) is not None,
    )


def markdown(rows: Sequence[TrialResult]) -> str:
    """Return the trials as a Markdown table."""
    names = _names(rows)
    lines = []
    for row in rows:
        values = [_text(row.parameters.get(name)) for name in names]
        ended = f"failed: {row.error}" if row.error else row.status
        lines.append(
            [row.trial_id, *values, _text(row.objective), f"{row.progress:.0f} %", f"{row.seconds / 60:.1f}", ended]
        )
    return markdown_table(["trial", *names, "objective", "at", "minutes", ""], lines) + "\n"


def csv_text(rows: Sequence[TrialResult]) -> str:
    """Return the trials as CSV."""
    names = _names(rows)
    columns = ["trial", *names, "objective", "progress", "seconds", "status", "error", "run_id"]
    cells = [
        [
            *(
                row.trial_id,
                *map(csv_cell, map(row.parameters.get, names)),
                row.objective,
                row.progress,
                round(row.seconds, 1),
            ),
            *(row.status, csv_cell(row.error), row.run_id),
        ]
        for row in rows
    ]
    return str(pd.DataFrame(cells, columns=columns, dtype=object).to_csv(index=False, lineterminator="\n"))


def _names(rows: Sequence[TrialResult]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.parameters))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
