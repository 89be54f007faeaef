"""Start of a worker from a checkpoint, without a cluster."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_step import samples
from tiny import write_encoder
from torch import Tensor

from clism_core.model.encoder import embedding_weight
from clism_core.model.precision import PrecisionName, ResolvedName
from clism_core.model.tokenizer import find_special_ids
from clism_core.model.trained_weights import TRAINED_WEIGHTS_FILE
from clism_core.pretraining.batches import Batch, BatchBuilder, MaskingConfig
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.recipe import PretrainingRecipe
from clism_core.training import precision, worker
from clism_core.training.checkpoint_store import CheckpointStore
from clism_core.training.checkpoints import TrainingState, save_checkpoint
from clism_core.training.config import RunSettings
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.training.step import GradientStep, StepSums
from clism_core.utils.errors import InputError

CPU = torch.device("cpu")
Start = Callable[[PrecisionName], tuple[PretrainingModel, TrainingState]]


class Recipe(PretrainingRecipe):
    """Pre-training without held-out samples in Ray's object store."""

    others: list[int] | None = None
    """Tokens of a restricted vocabulary, besides those of the batch and special ones; None: all tokens."""

    @property
    def trained_tokens(self) -> Tensor | None:
        if self.others is None:
            return None
        model = self.load_model(self.config.model)
        batch = make_batch(model)
        tokens = torch.cat([batch.input_ids.flatten(), batch.plain_ids.flatten(), batch.mlm_label])
        special = torch.tensor(sorted(find_special_ids(model.tokenizer)))
        kept: Tensor = torch.cat([tokens, special, torch.tensor(self.others)]).unique()
        return kept

    def probe(self, model: PretrainingModel) -> Batch:
        return make_batch(model)


def make_batch(model: PretrainingModel) -> Batch:
    return BatchBuilder(model.tokenizer, MaskingConfig(max_length=64), seed=0)([[entry] for entry in samples()])


def take_step(model: PretrainingModel, state: TrainingState) -> None:
    state.optimizer.zero_grad(set_to_none=True)
    weights = {"clism": 1.0, "cacr": 1.0, "mlm": 1.0}
    GradientStep(model, weights=weights, precision=state.precision, seed=0)(state.step, [make_batch(model)], StepSums())
    state.precision.step(state.optimizer, model, 1.0)
    state.schedule.step()
    state.step += 1


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that starts the worker of a run, resuming if it has a checkpoint."""
    folder = write_encoder("xlmr", tmp_path / "encoder")
    context = SimpleNamespace(get_node_rank=lambda: 0, get_local_rank=lambda: 0)
    monkeypatch.setattr("ray.train.get_context", lambda: context)
    monkeypatch.setattr(worker, "get_device", lambda: CPU)
    unused: Any = None

    def start(given: PrecisionName) -> tuple[PretrainingModel, TrainingState]:
        config = PretrainConfig(
            model=str(folder),
            data="",
            output=str(tmp_path / "out"),
            precision=given,
            optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=0),
            loop=LoopConfig(steps=4),
        )
        assignment: Any = SimpleNamespace(settings=RunSettings.from_config(config), recipe=Recipe(config, unused, None))
        model, state = worker._restore_or_build(assignment)
        assert isinstance(model, PretrainingModel)
        return model, state

    return start


def save(output: Path, model: PretrainingModel, state: TrainingState) -> None:
    store = CheckpointStore(str(output))
    local = store.temporary_folder()
    save_checkpoint(local, model, state)
    store.upload(local, state.step, {"step": state.step})
    shutil.rmtree(local)


@pytest.mark.parametrize("before", ["fp32", "bf16"])
def test_a_resumed_worker_trains_as_if_it_had_not_stopped(before: ResolvedName, start: Start, tmp_path: Path) -> None:
    model, state = start(before)
    take_step(model, state)
    save(tmp_path / "out", model, state)
    take_step(model, state)

    resumed, its_state = start(before)
    assert (its_state.step, its_state.precision.name) == (1, before)
    take_step(resumed, its_state)
    torch.testing.assert_close(dict(resumed.named_parameters()), dict(model.named_parameters()), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("before", ["fp32", "bf16"])
def test_a_resumed_worker_keeps_the_precision_on_another_processor(
    before: ResolvedName, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "out", *start(before))
    monkeypatch.setattr(precision, "fast_precisions", lambda _: ("bf16", "fp32"))
    assert start("auto")[1].precision.name == before


def test_a_run_of_an_earlier_version_stays_in_fp32_and_gets_the_fused_optimiser(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, state = start("fp32")
    take_step(model, state)
    for group in state.optimizer.param_groups:
        group["fused"] = None
    names = ("step", "optimizer", "schedule", "scaler")
    original = torch.save
    monkeypatch.setattr(torch, "save", lambda saved, file: original({name: saved[name] for name in names}, file))
    save(tmp_path / "out", model, state)

    monkeypatch.setattr(precision, "fast_precisions", lambda _: ("bf16", "fp32"))
    resumed, its_state = start("auto")
    assert its_state.precision.name == "fp32"
    assert [group["fused"] for group in its_state.optimizer.param_groups] == [True, True]
    take_step(resumed, its_state)


def test_a_resumed_worker_trains_the_same_part_of_the_vocabulary(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recipe, "others", [100, 102])
    model, state = start("fp32")
    take_step(model, state)
    save(tmp_path / "out", model, state)
    (weights,) = (tmp_path / "out" / "checkpoints" / "step-00000001" / "model").iterdir()
    assert weights.name == TRAINED_WEIGHTS_FILE
    take_step(model, state)

    resumed, its_state = start("fp32")
    assert its_state.step == 1
    kept = model.vocabulary.ids
    assert kept is not None
    assert resumed.vocabulary.ids is not None
    assert torch.equal(resumed.vocabulary.ids, kept)
    moments = [entry["exp_avg"].shape for entry in its_state.optimizer.state.values()]
    assert embedding_weight(resumed.encoder).shape == (len(kept), 16)
    assert (len(kept), 16) in moments
    take_step(resumed, its_state)
    torch.testing.assert_close(dict(resumed.named_parameters()), dict(model.named_parameters()), rtol=1e-5, atol=1e-7)


def test_a_run_with_the_whole_vocabulary_resumes_with_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Runs of earlier versions are such, whatever the default is now."""
    caplog.set_level("INFO")
    model, state = start("fp32")
    take_step(model, state)
    save(tmp_path / "out", model, state)
    monkeypatch.setattr(Recipe, "others", [100, 102])
    resumed, its_state = start("fp32")
    assert its_state.step == 1
    assert resumed.vocabulary.ids is None
    torch.testing.assert_close(dict(resumed.named_parameters()), dict(model.named_parameters()), rtol=0, atol=0)
    assert "the run began with the whole vocabulary, and resumes with it" in caplog.text


def test_a_run_with_a_part_of_the_vocabulary_does_not_resume_with_another(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recipe, "others", [100, 102])
    save(tmp_path / "out", *start("fp32"))
    monkeypatch.setattr(Recipe, "others", [100, 101])
    with pytest.raises(InputError, match="vocabulary options as in the run"):
        start("fp32")
    monkeypatch.setattr(Recipe, "others", None)
    with pytest.raises(InputError, match="the run has all, or others"):
        start("fp32")
