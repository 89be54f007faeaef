"""Bar chart of the scores of an evaluation."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from clism_core.evaluation.scoring import score_name
from clism_core.evaluation.table import AVERAGES, Cell, Row

_WIDTH_PER_GROUP, _LEAST_WIDTH, _PANEL_HEIGHT = 0.75, 6.0, 3.2  # inches
_BARS_WIDTH = 0.8  # of the width of a group
_COLOURS = ("tab:blue", "tab:orange")
_LONGEST_NAME = 60
_LINE = 12  # characters of a line in the label below a group


def scores_figure(rows: Sequence[Row]) -> Figure:
    """Plot a panel per data set with a group of bars per language, with 95 % intervals.

    The bars are all scores of one model, or one score of two models: F1 or, without it, the first.

    Args:
        rows: rows from `table_rows`.
    """
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    groups = max(len(row.cells) for row in rows)
    size = (max(_LEAST_WIDTH, _WIDTH_PER_GROUP * (groups + 1)), _PANEL_HEIGHT * len(datasets))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(datasets), 1, squeeze=False).flatten()
    for axes, dataset in zip(panels, datasets, strict=True):
        bars = _bars([row for row in rows if row.dataset == dataset])
        for place, (label, cells) in enumerate(bars.items()):
            width = _BARS_WIDTH / len(bars)
            middles = np.arange(len(cells)) + (place - (len(bars) - 1) / 2) * width
            values = [cell.value for cell in cells.values()]
            axes.bar(
                middles, values, width, yerr=_errors(list(cells.values())), label=label, color=_COLOURS[place],
                error_kw={"elinewidth": 1, "capsize": 2},
            )  # fmt: skip
        names = [textwrap.fill(AVERAGES.get(name, name), _LINE) for name in next(iter(bars.values()))]
        axes.set_xticks(range(len(names)), names)
        axes.set(title=dataset, ylabel="percent", ylim=(0, 100))
        axes.set_axisbelow(True)
        axes.grid(axis="y", alpha=0.3)
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=1 if _are_long(bars) else 2)
    return figure


def _bars(rows: Sequence[Row]) -> dict[str, dict[str, Cell]]:
    """Return the bars of a data set, by label."""
    models = list(dict.fromkeys(row.model for row in rows if not _is_difference(row)))
    if len(models) == 1:
        return {score_name(row.score): dict(row.cells) for row in rows}
    scores = {row.score for row in rows}
    main = "f1" if "f1" in scores else rows[0].score  # by which models are compared first
    chosen = [row for row in rows if row.score == main and not _is_difference(row)]
    return {f"{score_name(main)} of {_short(row.model)}": dict(row.cells) for row in chosen}


def _is_difference(row: Row) -> bool:
    return any(cell.p_value is not None for cell in row.cells.values())


def _short(name: str) -> str:
    short = name if len(name) <= _LONGEST_NAME else f"...{name[-_LONGEST_NAME:]}"
    return short.replace("$", r"\$")  # otherwise Matplotlib reads text between two of them as a formula


def _are_long(labels: Sequence[str] | dict[str, dict[str, Cell]]) -> bool:
    return any(len(label) > _LONGEST_NAME // 2 for label in labels)


def _errors(cells: Sequence[Cell]) -> np.ndarray:
    """Return the lengths [2, cells] of the intervals below and above the values; 0 without an interval."""
    ends = [(c.value, c.value) if c.low is None or c.high is None else (c.low, c.high) for c in cells]
    reach = [(cell.value - low, high - cell.value) for cell, (low, high) in zip(cells, ends, strict=True)]
    errors: np.ndarray = np.maximum(0.0, np.array(reach, dtype=float).T)
    return errors
