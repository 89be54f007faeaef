"""Plots of a pre-training run: the loss of each objective, and the evaluation of the held-out samples."""

import math
from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from clism_core.tracking.plots import TOTAL_LOSS, Curve, loss_figure, read_curves
from clism_core.tracking.run import TrackedRun

LOSSES = {
    **TOTAL_LOSS,
    "train/clism_loss": ("CLISM", "tab:blue"),
    "train/cacr_loss": ("CACR", "tab:orange"),
    "train/mlm_loss": ("MLM", "tab:green"),
}
LEARNED = {
    "span_exact_match": ("span exact match", "tab:blue"),
    "retrieval_accuracy": ("sentence retrieval, source to target", "tab:orange"),
    "retrieval_accuracy_reverse": ("sentence retrieval, target to source", "tab:red"),
}
BASELINES = {
    "longest_unaligned_run_exact_match": ("baseline: longest unaligned run", "tab:blue"),
    "random_run_exact_match": ("baseline: random capitalised or digit run", "tab:gray"),
}
"""Metrics of a language pair, `eval/PAIR/NAME`, with label and colour; baselines do not learn: a level, dashed."""

PANEL_WIDTH, PANEL_HEIGHT, LEGEND_HEIGHT = 3.4, 2.7, 0.9  # inches


def log_plots(run: TrackedRun) -> None:
    """Log `plots/loss.png` and `plots/evaluation.png`, each if the run has metrics for it."""
    run.flush()
    curves = read_curves(run)
    if any(name in curves for name in LOSSES):
        run.log_figure(loss_figure(curves, LOSSES), "plots/loss.png")
    if language_pairs(curves):
        run.log_figure(evaluation_figure(curves), "plots/evaluation.png")


def language_pairs(curves: Mapping[str, Curve]) -> list[str]:
    """Return the language pairs that have curves, sorted."""
    parts = [name.split("/") for name in curves if name.startswith("eval/")]
    return sorted({pair for _, *middle, name in parts for pair in middle if name in LEARNED | BASELINES})


def evaluation_figure(curves: Mapping[str, Curve]) -> Figure:
    """Draw the evaluation by step, one panel a language pair, all on one scale."""
    pairs = language_pairs(curves)
    columns = min(3, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    size = (max(7.0, PANEL_WIDTH * columns), PANEL_HEIGHT * rows + LEGEND_HEIGHT)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    handles = {}
    for axes, pair in zip(grid, pairs, strict=False):
        for name, (label, colour) in LEARNED.items():
            if curve := curves.get(f"eval/{pair}/{name}"):
                (handles[label],) = axes.plot(*zip(*curve, strict=True), color=colour, marker=".")
        for name, (label, colour) in BASELINES.items():
            if curve := curves.get(f"eval/{pair}/{name}"):
                handles[label] = axes.axhline(curve[-1][1], color=colour, linestyle="--")
        axes.set(title=pair, xlabel="step", ylim=(-0.02, 1.02))
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.grid(alpha=0.3)
    for axes in grid[len(pairs) :]:
        axes.set_visible(False)
    figure.supylabel("share of the held-out part", fontsize="medium")
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=2, frameon=False)
    return figure
