"""Plots of a pre-training run: the loss of each objective, and the evaluation of the held-out samples."""

import math
from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from clism_core.pretraining.evaluation.measures import BASELINES, RETRIEVAL, objective_measures
from clism_core.pretraining.objectives.build import OBJECTIVES
from clism_core.tracking.plots import TOTAL_LOSS, Curve, loss_figure, read_curves
from clism_core.tracking.run import TrackedRun

PANEL_WIDTH, PANEL_HEIGHT, LEGEND_HEIGHT = 3.4, 2.7, 0.9  # inches


def log_plots(run: TrackedRun) -> None:
    """Log `plots/loss.png` and `plots/evaluation.png`, each if the run has metrics for it."""
    run.flush()
    curves = read_curves(run)
    if "train/loss" in curves:
        run.log_figure(loss_figure(curves, loss_labels()), "plots/loss.png")
    if language_pairs(curves):
        run.log_figure(evaluation_figure(curves), "plots/evaluation.png")


def loss_labels() -> dict[str, tuple[str, str | None]]:
    """Return label and colour of the total loss and of the loss of each objective, by metric."""
    labels = {f"train/{each.name}_loss": (each.label, each.colour) for each in OBJECTIVES}
    return {**TOTAL_LOSS, **labels}


def language_pairs(curves: Mapping[str, Curve]) -> list[str]:
    """Return the language pairs that have curves, sorted."""
    shown = {measure.name for measure in (*objective_measures(), *RETRIEVAL, *BASELINES)}
    parts = [name.split("/") for name in curves if name.startswith("eval/")]
    return sorted({pair for _, *middle, name in parts for pair in middle if name in shown})


def evaluation_figure(curves: Mapping[str, Curve]) -> Figure:
    """Draw the evaluation by step, one panel per language pair, all with the same scale."""
    pairs = language_pairs(curves)
    columns = min(3, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    size = (max(7.0, PANEL_WIDTH * columns), PANEL_HEIGHT * rows + LEGEND_HEIGHT)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    handles = {}
    for axes, pair in zip(grid, pairs, strict=False):
        for measure in (*objective_measures(), *RETRIEVAL):
            if curve := curves.get(f"eval/{pair}/{measure.name}"):
                (handles[measure.label],) = axes.plot(*zip(*curve, strict=True), color=measure.colour, marker=".")
        for measure in BASELINES:  # constant over steps
            if curve := curves.get(f"eval/{pair}/{measure.name}"):
                handles[measure.label] = axes.axhline(curve[-1][1], color=measure.colour, linestyle="--")
        axes.set(title=pair, xlabel="step", ylim=(-0.02, 1.02))
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.grid(alpha=0.3)
    for axes in grid[len(pairs) :]:
        axes.set_visible(False)
    figure.supylabel("share of the held-out part", fontsize="medium")
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=2, frameon=False)
    return figure
