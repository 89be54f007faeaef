from pathlib import Path

import numpy as np

from clism_core.pretraining.plots import evaluation_figure, log_plots
from clism_core.tracking.lifecycle import start_run
from clism_core.tracking.plots import read_curves

EXACT = "span_exact_match"


def test_evaluation_figure_has_a_panel_per_pair_and_dashed_baselines() -> None:
    curves = {
        f"eval/en-vi/{EXACT}": [(0, 0.1), (50, 0.4)],
        "eval/en-vi/random_run_exact_match": [(0, 0.2), (50, 0.2)],
        f"eval/en-ar/{EXACT}": [(0, 0.0)],
        "eval/score": [(0, 0.1)],
        "eval/gradient_norm/clism": [(0, 9.0)],
    }
    figure = evaluation_figure(curves)
    arabic, vietnamese = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["en-ar", "en-vi"]
    assert [line.get_linestyle() for line in vietnamese.lines] == ["-", "--"]
    assert np.asarray(vietnamese.lines[0].get_xydata()).tolist() == [[0, 0.1], [50, 0.4]]
    assert np.asarray(vietnamese.lines[1].get_ydata()).tolist() == [0.2, 0.2]
    assert arabic.lines[0].get_marker() == "."  # or a single point would not be seen


def test_plots_are_logged_with_repeated_steps_once(home_folder: Path, tmp_path: Path) -> None:
    run = start_run(job="pretrain", output="/outputs/x")
    for step, loss in [(1, 3.0), (2, 9.0)]:
        run.log_metrics({"train/loss": loss, f"eval/en-vi/{EXACT}": 0.5}, step=step)
    run.flush()
    run.log_metrics({"train/loss": 2.0}, step=2)  # after a resume
    log_plots(run)
    assert read_curves(run)["train/loss"] == [(1, 3.0), (2, 9.0)]
    for name in ("loss", "evaluation"):
        file = Path(run.client.download_artifacts(run.run_id, f"plots/{name}.png", str(tmp_path)))
        assert file.read_bytes().startswith(b"\x89PNG")
