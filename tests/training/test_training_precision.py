"""Choice of a run's precision, with other workers by stub."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import write_encoder

from clism_core.model.encoder import load_encoder
from clism_core.model.precision import Precision, PrecisionName, ResolvedName
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.recipe import build_model
from clism_core.training import precision
from clism_core.training.checkpoints import TrainingState, save_checkpoint, saved_precision
from clism_core.training.optimizer import OptimizerConfig, build_optimizer
from clism_core.training.precision import choose_precision

CPU = torch.device("cpu")
OLD_CPU, NEW_CPU = ("fp32",), ("bf16", "fp32")
V100, A100 = ("fp16", "fp32"), ("bf16", "fp16", "fp32")


@pytest.fixture
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for workers whose hardware computes in the given precisions; this process is the first one."""
    given: Sequence[tuple[ResolvedName, ...]] = request.param
    monkeypatch.setattr(precision, "fast_precisions", lambda _: given[0])
    monkeypatch.setattr(precision, "gather_objects", lambda own: [own, *given[1:]])


@pytest.fixture(autouse=True)
def without_scaler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a CPU stand in for a GPU, which fp16 needs."""
    monkeypatch.setattr(precision, "Precision", lambda name, _: name)


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        pytest.param([OLD_CPU], "fp32", id="one without bf16"),
        pytest.param([NEW_CPU], "bf16", id="one with bf16"),
        pytest.param([NEW_CPU, OLD_CPU], "fp32", id="the second lacks bf16"),
        pytest.param([OLD_CPU, NEW_CPU], "fp32", id="the first lacks bf16"),
        pytest.param([A100, V100], "fp16", id="different GPUs"),
        pytest.param([A100, A100], "bf16", id="equal GPUs"),
    ],
    indirect=["workers"],
)
@pytest.mark.usefixtures("workers")
def test_auto_is_the_best_precision_that_all_workers_support(expected: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    chosen: Any = choose_precision("auto", CPU)
    assert chosen == expected
    assert caplog.messages == [f"training in {expected}, the best one that all workers support"]


@pytest.mark.parametrize(
    ("workers", "given", "before", "message"),
    [
        pytest.param([NEW_CPU], "auto", "fp32", "training in fp32, as in the checkpoint", id="better processor"),
        pytest.param([NEW_CPU], "auto", "bf16", "training in bf16, as in the checkpoint", id="same processor"),
        pytest.param(
            [NEW_CPU, OLD_CPU],
            "auto",
            "bf16",
            "the precision changes from bf16, that of the checkpoint, to fp32, the best one that all workers support",
            id="worse processor",
        ),
        pytest.param(
            [OLD_CPU],
            "auto",
            "fp16",
            "the precision changes from fp16, that of the checkpoint, to fp32, the best one that all workers support",
            id="GPU before",
        ),
        pytest.param([NEW_CPU], "fp32", "fp32", "training in fp32, as configured", id="unchanged option"),
        pytest.param(
            [NEW_CPU],
            "fp32",
            "bf16",
            "the precision changes from bf16, that of the checkpoint, to fp32, as configured",
            id="changed option",
        ),
    ],
    indirect=["workers"],
)
@pytest.mark.usefixtures("workers")
def test_a_resumed_run_keeps_its_precision_or_says_that_it_changes(
    given: PrecisionName, before: ResolvedName, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    chosen: Any = choose_precision(given, CPU, before=before)
    assert caplog.messages == [message]
    assert f" {chosen}, " in message
    assert ("changes" in message) == (caplog.records[0].levelname == "WARNING")


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_a_checkpoint_knows_its_precision(name: ResolvedName, tmp_path: Path) -> None:
    folder = write_encoder("xlmr", tmp_path / "encoder")
    model = build_model(load_encoder(str(folder), seed=0), PretrainConfig(model=str(folder), data=""))
    optimizer, schedule = build_optimizer(model, OptimizerConfig(), 10)
    save_checkpoint(tmp_path / "checkpoint", model, TrainingState(optimizer, schedule, Precision(name, CPU)))
    assert saved_precision(tmp_path / "checkpoint", CPU) == name
