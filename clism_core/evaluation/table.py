"""Tables of the scores of an evaluation."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from clism_core.evaluation.scoring import SCORE_NAMES, p_text, score_name
from clism_core.utils.markdown import markdown_table
from clism_core.utils.text import csv_cell

COMPARISON = "comparison"
"""Key of the comparison with another model in `metrics.json`, beside the data sets."""
AVERAGES = {"average": "average", "cross_average": "average of cross pairs"}


class Cell(NamedTuple):
    """A score, 0 to 100, or a difference of scores."""

    value: float
    low: float | None
    """Lower end of the 95 % interval; None without an interval."""
    high: float | None
    p_value: float | None = None
    """P value of a difference; None for a score."""


class Row(NamedTuple):
    """One score of a model, or the difference of two models, in all languages of a data set."""

    dataset: str
    scorer: str
    model: str
    score: str
    """Name of the score, such as `exact_match`."""
    cells: Mapping[str, Cell]
    """Cells by language, followed by `average`."""


def table_rows(metrics: Mapping[str, Any], *, model: str) -> list[Row]:
    """Return the rows of all data sets in the order of `metrics.json`: model, other model, differences.

    Args:
        metrics: content of `metrics.json`.
        model: name of the model.
    """
    comparison = metrics.get(COMPARISON)
    rows: list[Row] = []
    for dataset, groups in metrics.items():
        if dataset == COMPARISON:
            continue
        rows += _rows(dataset, groups, model)
        if comparison is not None:
            other = comparison["with"]
            name = f"{other} (compared)" if other == model else other
            rows += _rows(dataset, comparison["metrics"][dataset], name)
            rows += _difference_rows(dataset, groups, comparison["differences"][dataset])
    return rows


def _rows(dataset: str, groups: Mapping[str, Mapping[str, Any]], model: str) -> Iterator[Row]:
    for score, scorer in _scores(groups):
        cells = {name: _cell(figures[score], figures[f"{score}_interval"]) for name, figures in groups.items()}
        yield Row(dataset, scorer, model, score, cells)


def _difference_rows(
    dataset: str, groups: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]
) -> Iterator[Row]:
    for score, scorer in _scores(groups):
        cells = {}
        for name, scores in found.items():
            figures = scores[score]
            cells[name] = _cell(figures["difference"], figures["interval"])._replace(p_value=figures["p_value"])
        yield Row(dataset, scorer, "difference", score, cells)


def _scores(groups: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the scores with an interval, the known ones first, and their scorer."""
    figures = next(iter(groups.values()))
    found = [name.removesuffix("_interval") for name in figures if name.endswith("_interval")]
    known = [name for name in SCORE_NAMES if name in found]
    return [(name, figures["scorer"]) for name in [*known, *(name for name in found if name not in known)]]


def _cell(value: float, interval: Sequence[float] | None) -> Cell:
    return Cell(value, *(interval or (None, None)))


def markdown(rows: Sequence[Row], metrics: Mapping[str, Any]) -> str:
    """Return a table for each data set, with the F1 of each entity type and the conclusion of the comparison."""
    parts = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        own = [row for row in rows if row.dataset == dataset]
        columns = list(own[0].cells)
        lines = [
            f"### {dataset}",
            "",
            f"Scored by {own[0].scorer}, in percent, with 95 % intervals"
            f"{'; differences with p values' if COMPARISON in metrics else ''}.",
            "",
            markdown_table(
                ["", "", *(AVERAGES.get(column, column) for column in columns)],
                [[row.model, score_name(row.score), *map(_text, row.cells.values())] for row in own],
                left=2,
            ),
        ]
        if types := _type_table(metrics[dataset]):
            lines += ["", "F1 by entity type:", "", types]
        if COMPARISON in metrics:
            lines += ["", metrics[COMPARISON]["conclusions"][dataset]]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _type_table(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table of the entity types; empty if there are none."""
    labelled = {name: figures["by_label"] for name, figures in groups.items() if "by_label" in figures}
    labels = sorted({label for figures in labelled.values() for label in figures})
    rows = []
    for label in labels:
        by_language = [figures.get(label) for figures in labelled.values()]
        cells = [_text(_cell(each["f1"], each["f1_interval"])) if each else "" for each in by_language]
        rows.append([label, *cells])
    return markdown_table(["", *labelled], rows) if rows else ""


def _text(cell: Cell) -> str:
    """Return `51.2 [48.4, 54.1]`, or `+1.2 [+0.3, +2.1] p 0.012` for a difference."""
    sign = "" if cell.p_value is None else "+"
    text = f"{cell.value:{sign}.1f}"
    if cell.low is not None:
        text += f" [{cell.low:{sign}.1f}, {cell.high:{sign}.1f}]"
    return text if cell.p_value is None else f"{text} {p_text(cell.p_value)}"


def csv_text(rows: Sequence[Row]) -> str:
    """Return the rows as CSV: value, `_low`, `_high` and, for differences, `_p` of each language or average."""
    columns = list(dict.fromkeys(name for row in rows for name in row.cells if name not in AVERAGES))
    columns += [name for name in AVERAGES if any(name in row.cells for row in rows)]
    kinds = ("", "_low", "_high", "_p")
    missing = (None,) * len(kinds)
    cells = [
        [*map(csv_cell, row[:4]), *(value for name in columns for value in row.cells.get(name, missing))]
        for row in rows
    ]
    header = ["dataset", "scorer", "model", "score", *(f"{name}{kind}" for name in columns for kind in kinds)]
    return str(pd.DataFrame(cells, columns=header, dtype=object).to_csv(index=False, lineterminator="\n"))
