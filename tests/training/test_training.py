"""From a finished training to a registered model, with a stub for the training itself."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow_server import Server

from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.pretrain import Pretrained
from clism_core.pretraining.training import PRETRAINING
from clism_core.tracking.lifecycle import send_unsent
from clism_core.tracking.registry import RegisteredModel
from clism_core.tracking.run import TrackedRun
from clism_core.tracking.server import TrackingUnavailableError
from clism_core.training.checkpoint_store import SavedCheckpoint
from clism_core.training.driver import Hooks
from clism_core.training.export import ExportedModel, export_model
from clism_core.training.training import Training
from clism_core.utils.errors import InputError
from clism_core.utils.output_lock import exclusive_folder


class Stubs:
    """Training of two steps, during which the tracking server goes away, and registration."""

    def __init__(self, server: Server, checkpoint: Path):
        self.server = server
        self.checkpoint = checkpoint
        (checkpoint / "model").mkdir(parents=True)
        (checkpoint / "model" / "weights").write_text("weights")
        self.trained = 0
        self.registered: list[str] = []

    def train(self, _config: PretrainConfig, run: TrackedRun, *, hooks: Hooks | None) -> Pretrained:
        assert hooks is None
        self.trained += 1
        for step in (1, 2):
            run.log_metrics({"train/loss": 1 / step}, step=step)
        self.server.stop()
        checkpoint = SavedCheckpoint(str(self.checkpoint), 2, {}, {})
        return Pretrained(
            finished=True,
            step=2,
            checkpoint=checkpoint,
            metrics={},
            load_initial=pytest.fail,
            samples=7,
            language_pairs=[],
        )

    def export(self, config: PretrainConfig, trained: Any, run: TrackedRun) -> ExportedModel:
        return export_model(config, trained, run, card="# Card", table="| |", samples=7)

    def register(
        self, _config: PretrainConfig, _run: TrackedRun, folder: Path, *, step: int, metrics: Mapping[str, float]
    ) -> RegisteredModel:
        assert (step, dict(metrics)) == (2, {})
        self.registered.append((folder / "weights").read_text())
        return RegisteredModel("clism-encoder", len(self.registered), ())

    def training(self) -> Training[PretrainConfig, Pretrained]:
        return replace(PRETRAINING, train=self.train, export=self.export, register=self.register)


@pytest.fixture
def stubs(server: Server, tmp_path: Path) -> Stubs:
    return Stubs(server, tmp_path / "checkpoint")


def config(tmp_path: Path, *, register: bool) -> PretrainConfig:
    return PretrainConfig(model=str(tmp_path), data="d", output=str(tmp_path / "out"), register=register)


def result(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / "out" / "result.json").read_text())
    return content


@pytest.mark.parametrize("synced", [pytest.param(False, id="at once"), pytest.param(True, id="after sync")])
def test_a_model_is_registered_once_the_server_is_back(stubs: Stubs, tmp_path: Path, synced: bool) -> None:
    """By the same command, without training again."""
    training, given = stubs.training(), config(tmp_path, register=True)
    with pytest.raises(TrackingUnavailableError, match=r"is complete but is not registered: .* does not answer"):
        training.run(given)
    model = tmp_path / "out" / "model"
    assert sorted(file.name for file in model.iterdir()) == ["README.md", "config.yaml", "weights"]
    assert (result(tmp_path)["registry_uri"], result(tmp_path)["published"]) == ("", False)
    with pytest.raises(TrackingUnavailableError, match="is not registered"):
        training.find_finished(given)

    stubs.server.start()
    if synced:
        assert sum(send_unsent(given.output).values()) >= 2
    exported = training.find_finished(given)
    assert exported is not None
    assert exported.registry_uri == "models:/clism-encoder/1"
    assert exported == ExportedModel(**result(tmp_path))
    run = TrackedRun(exported.tracking_uri, exported.run_id)
    assert run.status() == "FINISHED"
    points = run.client.get_metric_history(run.run_id, "train/loss")
    assert [(point.step, point.value) for point in points] == [(1, 1.0), (2, 0.5)]
    assert {file.path for file in run.client.list_artifacts(run.run_id)} >= {"README.md", "plots"}
    assert training.find_finished(given) == exported
    assert stubs.registered == ["weights"]
    assert stubs.trained == 1
    assert send_unsent(given.output) == {}
    assert run.status() == "FINISHED"


def test_one_process_registers_a_finished_model(stubs: Stubs, tmp_path: Path) -> None:
    training, given = stubs.training(), config(tmp_path, register=True)
    with pytest.raises(TrackingUnavailableError):
        training.run(given)
    stubs.server.start()
    with exclusive_folder(given.output), pytest.raises(InputError, match="another one"):
        training.find_finished(given)
    assert stubs.registered == []
    exported = training.find_finished(given)
    assert exported is not None
    with exclusive_folder(given.output):  # nothing is written any more
        assert training.find_finished(given) == exported
    assert stubs.registered == ["weights"]


def test_a_model_that_is_not_to_be_registered_needs_no_server(
    stubs: Stubs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training, given = stubs.training(), config(tmp_path, register=False)
    exported = training.run(given)
    assert exported is not None
    assert "is complete but has no plots in MLflow" in caplog.text
    stubs.server.start()
    assert training.find_finished(given) == replace(exported, published=True)
    run = TrackedRun(exported.tracking_uri, exported.run_id)
    assert {file.path for file in run.client.list_artifacts(run.run_id)} >= {"README.md", "plots"}
    assert stubs.registered == []
