"""Plots of a run, drawn from its logged metrics."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clism_core.tracking.run import TrackedRun

Curve = Sequence[tuple[int, float]]
"""Points of one metric: (step, value)."""

SCORES = {
    "f1": ("F1", "tab:blue"),
    "exact_match": ("exact match", "tab:orange"),
    "precision": ("precision", "tab:green"),
    "recall": ("recall", "tab:red"),
}
"""Metrics of the development data of a task, `eval/LANGUAGE/NAME`, with label and colour."""

TOTAL_LOSS: Mapping[str, tuple[str, str | None]] = {"train/loss": ("total", "black")}
"""Curves of the loss figure by metric, each with label and colour, for a training with one objective."""

SMOOTHED_POINTS = 50


def png(figure: Figure) -> bytes:
    """Return a figure as the content of a PNG file."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    return picture.getvalue()


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
        # A resumed run logs the steps after its checkpoint again; only the last value of a step is kept.
        name: sorted({m.step: m.value for m in run.client.get_metric_history(run.run_id, name)}.items())
        for name in names
    }


def loss_figure(curves: Mapping[str, Curve], losses: Mapping[str, tuple[str, str | None]] = TOTAL_LOSS) -> Figure:
    """Draw losses by step: the values pale, their moving average in full colour.

    Args:
        curves: curves by metric; those without an entry in `losses` are not drawn.
        losses: label and colour of each loss by metric.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, (label, colour) in losses.items():
        if name not in curves:
            continue
        steps, values = np.array(curves[name], dtype=float).T
        window = math.ceil(len(values) / SMOOTHED_POINTS)
        (pale,) = axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
        smoothed = _moving_average(steps, window), _moving_average(values, window)
        axes.plot(*smoothed, color=pale.get_color(), label=label)
    axes.set(xlabel="step", ylabel="loss (nats)", title="Training loss")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
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
