"""Tables (Markdown, CSV, LaTeX) and figures (PNG, SVG) of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from clism_core.evaluation.scoring import SCORE_NAMES, p_text
from clism_core.utils.text import csv_cell

PAPER = "paper"
"""Value of the column `source` for numbers that the paper reports."""
MEASURED = "measured"
"""Value of `source` for numbers of finished runs."""
LEVEL = "level"
"""Value of `source` for a horizontal line: a measured value that does not depend on the x axis."""
STYLES = {MEASURED: ("-", 1.0), PAPER: ("--", 0.6), LEVEL: (":", 1.0)}
NUMBERS = ("mean", "std", "runs", "difference", "low", "high", "p_value")
"""Columns of a cell: mean and standard deviation of a score, number of runs, and the result of its paired test."""


@dataclass(frozen=True)
class Table:
    """Table in long format: one row of `cells` per cell."""

    name: str
    """Stem of the file names."""
    caption: str
    cells: pd.DataFrame
    """Columns: `rows`, `columns`, `source` and those of `NUMBERS` that are known."""
    rows: Sequence[str]
    """Columns of `cells` that identify a line of the table."""
    columns: Sequence[str]
    """Columns of `cells` that identify a column of the table."""

    @property
    def is_empty(self) -> bool:
        """Whether it has no number of a finished run."""
        return not (self.cells["source"] == MEASURED).any()

    def write(self, folder: Path) -> list[Path]:
        """Write Markdown, LaTeX, and CSV with all numbers, one line per cell; return the files."""
        named = self.cells.assign(**{name: self.cells[name].map(csv_cell) for name in (*self.rows, *self.columns)})
        texts = {
            "md": self.markdown(),
            "csv": named.to_csv(index=False, lineterminator="\n", float_format="%.6g"),
            "tex": self._latex(),
        }
        files = [folder / f"{self.name}.{ending}" for ending in texts]
        for file, text in zip(files, texts.values(), strict=True):
            file.write_text(text, encoding="utf-8")
        return files

    def markdown(self) -> str:
        """Return the caption and the table in Markdown."""
        return f"{self._full_caption()}\n\n{self.wide().to_markdown(index=False, disable_numparse=True)}\n"

    def _latex(self) -> str:
        caption = _escape(self._full_caption())
        text: str = self.wide().to_latex(index=False, escape=True, caption=caption, label=f"tab:{self.name}")
        for sign, command in {"±": r"$\pm$", " < ": " $<$ "}.items():
            text = text.replace(sign, command)
        return text

    def wide(self) -> pd.DataFrame:
        """Return the table in wide format, with cells such as `67.3 ± 0.4 (+2.1, p 0.012)`."""
        cells = self.cells.assign(text=[_text(cell) for cell in self.cells.to_dict("records")])
        names = [SCORE_NAMES.get(str(score), str(score)) for score in cells.get("score", pd.Series(dtype=str))]
        if names:
            cells = cells.assign(score=names)
        index = [*self.rows, "source"] if cells["source"].nunique() > 1 else list(self.rows)
        wide = cells.pivot_table(
            index=index, columns=list(self.columns), values="text", aggfunc="first", sort=False, dropna=False
        ).dropna(how="all")
        wide = wide.dropna(how="all", axis="columns")
        wide.columns = [" ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in wide.columns]
        wide = wide.reset_index().astype(object)
        return wide.where(wide.notna(), "")

    def _full_caption(self) -> str:
        parts = [self.caption]
        if self.cells["runs"].max() > 1:
            parts.append("Means and standard deviations over repeated runs.")
        if "p_value" in self.cells and self.cells["p_value"].notna().any():
            parts.append("In brackets: difference and p value of the paired test over examples.")
        return " ".join(parts)


@dataclass(frozen=True)
class Picture:
    """Figure and the stem of its file names."""

    name: str
    figure: Figure

    def write(self, folder: Path) -> list[Path]:
        """Write PNG and SVG; return the files."""
        files = [folder / f"{self.name}.{ending}" for ending in ("png", "svg")]
        for file in files:
            self.figure.savefig(file, dpi=150)
        return files


Artefact = Table | Picture


def _escape(text: str) -> str:
    """Return a text with LaTeX's special characters escaped."""
    return "".join(f"\\{character}" if character in "%&#_$" else character for character in text)


def _text(cell: Mapping[str, float]) -> str:
    text = f"{cell['mean']:.1f}" if abs(cell["mean"]) >= 1 or cell["mean"] == 0 else f"{cell['mean']:.2g}"
    if cell.get("std") is not None and not pd.isna(cell["std"]):
        text += f" ± {cell['std']:.1f}"
    if not pd.isna(cell.get("p_value", float("nan"))):
        text += f" ({cell['difference']:+.1f}, {p_text(cell['p_value'])})"
    return text


@dataclass(frozen=True)
class Panel:
    """Panel of a figure: lines of means, with standard deviations as error bars."""

    title: str
    points: pd.DataFrame
    """Columns `line`, `x`, `mean`, `source` and, optionally, `std`."""
    ylabel: str
    log_y: bool = False


def line_figure(panels: Sequence[Panel], *, xlabel: str, log_x: bool = False) -> Figure:
    """Draw panels in a row. Numbers of the paper are dashed, in the colour of the measured line of the same name."""
    figure = Figure(figsize=(5.2 * len(panels), 4.4), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False).flatten(), panels, strict=True):
        colours = {line: f"C{place}" for place, line in enumerate(dict.fromkeys(panel.points["line"]))}
        for (line, source), points in panel.points.groupby(["line", "source"], sort=False):
            style, alpha = STYLES[source]
            errors = points["std"].fillna(0.0) if "std" in points else None
            axes.errorbar(
                points["x"], points["mean"], yerr=errors if source == MEASURED else None, linestyle=style, alpha=alpha,
                color=colours[line], marker="" if source == LEVEL else "o", markersize=3, capsize=2,
                label=f"{line} ({PAPER})" if source == PAPER else str(line),
            )  # fmt: skip
        axes.set(title=panel.title, xlabel=xlabel, ylabel=panel.ylabel)
        if log_x:
            axes.set_xscale("log")
            ticks = sorted(set(panel.points["x"]))
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        if panel.log_y:
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        if colours:
            axes.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return figure
