"""Trainings as child runs of a sweep or study, with a stub for the training itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from clism_core.experiments import trainings
from clism_core.experiments.trainings import TRAININGS, child_run
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tracking.lifecycle import start_run
from clism_core.tracking.run import TrackedRun
from clism_core.training.driver import Hooks
from clism_core.training.export import ExportedModel
from clism_core.training.training import Training
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri


class Done:
    """Result of a training that reached its end."""

    finished = True


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training[Any, Any]:
    """Stub for pre-training that is finished after its first run."""

    def train(_config: PretrainConfig, _run: TrackedRun, *, hooks: Hooks | None) -> Any:
        assert hooks is HOOKS
        return Done()

    def export(config: PretrainConfig, _trained: Any, run: TrackedRun) -> ExportedModel:
        exported = ExportedModel("model", "models:/m/1", run.tracking_uri, run.run_id, config.export, 1, 1, "")
        exported.write(config.output)
        return exported

    stub = replace(TRAININGS["pretrain"], train=train, export=export, check_finished=lambda _: None)
    monkeypatch.setattr(trainings, "TRAININGS", {"pretrain": stub})
    return stub


HOOKS = Hooks()


def test_a_finished_child_run_is_not_repeated(home_folder: Path, tmp_path: Path, training: Training[Any, Any]) -> None:
    parent = start_run(job="tune", output=str(tmp_path / "sweep"))
    config = PretrainConfig(model="m", data="d", output=str(tmp_path / "trial"))
    first, second = (
        child_run("pretrain", config, parent=parent, name="trial-1", hooks=HOOKS, tags={"clism.study.seed": "0"})
        for _ in range(2)
    )
    assert first is not None
    assert first == second
    run = MlflowClient(tracking_uri()).get_run(first.run_id)
    assert run.info.run_name == "trial-1"
    assert run.data.tags["mlflow.parentRunId"] == parent.run_id
    assert run.data.tags["clism.study.seed"] == "0"
    assert run.data.params["data"] == "d"


@pytest.mark.parametrize(
    ("name", "config", "problem"),
    [
        pytest.param("pretrain", PretrainConfig(model="m", data="d", seed=-1), "--seed -1", id="pretrain"),
        pytest.param(
            "finetune",
            FinetuneConfig(task="mrc", model="m", train="t", dev="d", language="?"),
            "--language",
            id="finetune",
        ),
    ],
)
def test_a_training_checks_its_own_configuration(name: str, config: Any, problem: str) -> None:
    training = TRAININGS[name]
    assert training.name == name
    assert isinstance(config, training.config_class)
    with pytest.raises(InputError, match=problem):
        training.check(config)
