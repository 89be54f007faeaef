"""Plots of a run, drawn from the metrics it has logged."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from clism_core.tracking.run import TrackedRun

Curve = Sequence[tuple[int, float]]
"""Points of one metric: (step, value)."""

LOSSES = {
    "train/loss": ("total", "black"),
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

SCORES = {
    "f1": ("F1", "tab:blue"),
    "exact_match": ("exact match", "tab:orange"),
    "precision": ("precision", "tab:green"),
    "recall": ("recall", "tab:red"),
}
"""Metrics of the development data of a task, `eval/LANGUAGE/NAME`, with label and colour."""

PANEL_WIDTH, PANEL_HEIGHT, LEGEND_HEIGHT = 3.4, 2.7, 0.9  # inches
SMOOTHED_POINTS = 50


def png(figure: Figure) -> bytes:
    """Return a figure as a file in PNG format."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    return picture.getvalue()


def log_plots(run: TrackedRun) -> None:
    """Log `plots/loss.png` and `plots/evaluation.png`, each if the run has metrics for it."""
    run.flush()
    curves = read_curves(run)
    if any(name in curves for name in LOSSES):
        run.log_figure(loss_figure(curves), "plots/loss.png")
    if language_pairs(curves):
        run.log_figure(evaluation_figure(curves), "plots/evaluation.png")


def log_dev_plots(run: TrackedRun) -> None:
    """Log `plots/loss.png` and `plots/dev.png` of a fine-tuning run, each if the run has metrics for it."""
    run.flush()
    curves = read_curves(run)
    if "train/loss" in curves:
        run.log_figure(loss_figure(curves), "plots/loss.png")
    if any(name.split("/")[-1] in SCORES for name in curves):
        run.log_figure(dev_figure(curves), "plots/dev.png")


def read_curves(run: TrackedRun) -> dict[str, Curve]:
    """Return the curves of all training and evaluation metrics of a run, in step order."""
    names = [name for name in run.client.get_run(run.run_id).data.metrics if name.startswith(("train/", "eval/"))]
    return {
        # A resumed run logs the steps after its checkpoint again: the later value of a step is the one that counts.
        name: sorted({m.step: m.value for m in run.client.get_metric_history(run.run_id, name)}.items())
        for name in names
    }


def language_pairs(curves: Mapping[str, Curve]) -> list[str]:
    """Return the language pairs that have curves, sorted."""
    parts = [name.split("/") for name in curves if name.startswith("eval/")]
    return sorted({pair for _, *middle, name in parts for pair in middle if name in LEARNED | BASELINES})


def loss_figure(curves: Mapping[str, Curve]) -> Figure:
    """Draw the loss of each objective by step: every step pale, their moving average in full colour."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, (label, colour) in LOSSES.items():
        if name not in curves:
            continue
        steps, values = np.array(curves[name], dtype=float).T
        window = math.ceil(len(values) / SMOOTHED_POINTS)
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(_moving_average(steps, window), _moving_average(values, window), color=colour, label=label)
    axes.set(xlabel="step", ylabel="loss (nats)", title="Training loss")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


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


def dev_figure(curves: Mapping[str, Curve]) -> Figure:
    """Draw the scores on the development data by fine-tuning step (figure 4(a) of the paper, for one model)."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in sorted(curves.items()):
        metric = name.split("/")[-1]
        if name.startswith("eval/") and metric in SCORES:
            label, colour = SCORES[metric]
            axes.plot(*zip(*curve, strict=True), color=colour, marker=".", label=label)
    axes.set(xlabel="step", ylabel="score, 0 to 100", title="Development data", ylim=(-2, 102))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def _moving_average(values: np.ndarray, window: int) -> np.ndarray:
    return np.convolve(values, np.ones(window) / window, mode="valid")
