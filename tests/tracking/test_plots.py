import numpy as np

from clism_core.tracking.plots import loss_figure


def test_loss_figure_has_one_smoothed_line_for_each_labelled_loss() -> None:
    steps = range(1, 101)
    curves = {name: [(s, float(s)) for s in steps] for name in ("train/loss", "train/tlm_loss", "train/unlabelled")}
    labels = {"train/loss": ("total", "black"), "train/tlm_loss": ("TLM", "tab:pink"), "train/absent": ("no", "red")}
    figure = loss_figure(curves, labels)
    (axes,) = figure.axes
    assert axes.get_legend_handles_labels()[1] == ["total", "TLM"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss (nats)")
    smoothed = np.asarray(axes.lines[1].get_xydata())
    assert smoothed[0].tolist() == [1.5, 1.5]  # 100 points at 50 a line: the mean of two steps
    assert len(smoothed) == 99
