import csv
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import yaml
from ray import tune
from table_cells import table_cells

from clism_core.experiments.tuning.config import TuneConfig
from clism_core.experiments.tuning.export import _write_presets, export_sweep
from clism_core.experiments.tuning.plots import sweep_figures
from clism_core.experiments.tuning.results import TrialResult, csv_text, markdown, read_results
from clism_core.experiments.tuning.space import Space
from clism_core.experiments.tuning.trial import Sweep
from clism_core.pretraining.config import PretrainConfig
from clism_core.utils.errors import InputError

ROW = TrialResult(
    trial_id="a1",
    status="finished",
    parameters={"objectives.w_cacr": 0.123456, "masking.max_spans": 2},
    objective=0.4321,
    progress=100.0,
    seconds=90.0,
    run_id="r",
    error="",
)
FAILED = replace(ROW, trial_id="b2", status="failed", objective=None, progress=0.0, run_id="", error="no | room")
SPACE = Space(
    job="pretrain",
    parameters={"objectives.w_cacr": tune.loguniform(0.1, 1.0), "masking.max_spans": tune.randint(1, 5)},
    metrics=("score",),
)


def test_markdown_has_a_line_for_each_trial() -> None:
    header, _, first, second = table_cells(markdown([ROW, FAILED]))
    assert header == ["trial", "objectives.w_cacr", "masking.max_spans", "objective", "at", "minutes", ""]
    assert first == ["a1", "0.1235", "2", "0.4321", "100 %", "1.5", "finished"]
    assert second == ["b2", "0.1235", "2", "", "0 %", "1.5", r"failed: no \| room"]


def test_csv_keeps_all_digits() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text([ROW, FAILED]))))
    assert rows[0]["objectives.w_cacr"] == "0.123456"
    assert rows[1]["error"] == "no | room"
    assert rows[1]["objective"] == ""


def test_plots_show_all_evaluated_trials() -> None:
    rows = [
        replace(ROW, objective=0.1 * n, parameters={"objectives.w_cacr": 0.1 + 0.1 * n, "masking.max_spans": 1 + n % 3})
        for n in range(6)
    ]
    rows[5] = replace(rows[5], status="stopped early")
    figures = sweep_figures([*rows, FAILED], SPACE)
    assert sorted(figures) == ["importance", "parallel_coordinates"]
    title = figures["parallel_coordinates"].axes[0].get_title()
    assert "6 trials, 1 of them stopped early" in title


def test_importance_needs_trials_that_differ() -> None:
    assert sorted(sweep_figures([ROW] * 5, SPACE)) == ["parallel_coordinates"]
    assert sweep_figures([FAILED], SPACE) == {}


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        pytest.param([], RuntimeError, id="no-trial"),
        pytest.param([replace(ROW, status="stopped early")], RuntimeError, id="stopped"),
        pytest.param([FAILED, FAILED], RuntimeError, id="failed"),
        pytest.param([replace(FAILED, is_input_error=True), FAILED], RuntimeError, id="failed-for-several-reasons"),
        pytest.param([replace(FAILED, is_input_error=True)], InputError, id="bad-input"),
    ],
)
def test_a_sweep_without_a_finished_trial_is_no_result(
    tmp_path: Path, rows: list[TrialResult], error: type[Exception]
) -> None:
    config = TuneConfig(space="mine", output=str(tmp_path), pretrain=PretrainConfig(model="m", data="d"))
    sweep = Sweep(space=SPACE, bases=config.bases(SPACE), output=config.output, parent=MagicMock())
    with pytest.raises(error, match=r"no trial of the sweep in .* finished") as raised:
        export_sweep(config, sweep, rows)
    assert type(raised.value) is error
    assert str(raised.value).count("no | room") == sum(row.status == "failed" for row in rows)
    assert not (tmp_path / "result.json").exists()
    assert (tmp_path / "trials.md").exists()


@pytest.mark.parametrize(
    ("error", "is_input_error"),
    [pytest.param(InputError("no file"), True, id="input"), pytest.param(OSError("no node"), False, id="other")],
)
def test_reasons_of_failures_are_told_apart(error: Exception, is_input_error: bool) -> None:
    results = MagicMock()
    results.__len__.return_value = 1
    results.__getitem__.return_value = SimpleNamespace(metrics=None, error=error, config={})
    (row,) = read_results(results, "max")
    assert (row.status, row.is_input_error, row.error) == ("failed", is_input_error, str(error))


def test_the_heading_of_the_best_preset_names_the_trial(tmp_path: Path) -> None:
    config = TuneConfig(space="mine", output=str(tmp_path), pretrain=PretrainConfig(model="m", data="d"))
    sweep = Sweep(space=SPACE, bases=config.bases(SPACE), output=config.output, parent=MagicMock())
    assert _write_presets(config, sweep, ROW, {"pretrain": "m"}) == [str(tmp_path / "best-pretrain.yaml")]
    text = (tmp_path / "best-pretrain.yaml").read_text()
    heading = [line for line in text.splitlines() if line.startswith("#")]
    assert heading == ["# Best trial of mine (a1): objectives.w_cacr 0.1235, masking.max_spans 2"]
    assert yaml.safe_load(text)["masking"]["max_spans"] == 2
