"""Restarts of a run by its driver, and the choice of the checkpoint to export, without a cluster."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from checkpoint_files import save
from ray.exceptions import ActorDiedError, OutOfMemoryError
from ray.train import ControllerError, WorkerGroupError

from clism_core.cluster.ray_internals import CHECKPOINT_SNAPSHOT, HEALTH_CHECK_TIMEOUT
from clism_core.training import driver
from clism_core.training.checkpoint_store import CheckpointStore
from clism_core.training.config import WorkersConfig
from clism_core.training.outcome import Outcome
from clism_core.utils.errors import FailureError, InputError

DONE = Outcome(finished=True)
Fit = Callable[[list[Any]], Outcome]


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(str(tmp_path))


@pytest.fixture
def fit(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> Fit:
    """Return a function that runs a training, given the results of its attempts: errors, saved steps, or outcomes."""

    def fit(attempts: list[Any]) -> Outcome:
        remaining: Iterator[Any] = iter(attempts)
        released: list[str] = []

        def attempt(*_: object, **__: object) -> Any:
            assert released.pop() == "out"  # those of the attempt before
            snapshot = Path(store.root) / CHECKPOINT_SNAPSHOT
            assert os.environ[HEALTH_CHECK_TIMEOUT] == "7.5"
            assert not snapshot.exists()  # Ray Train would fail, if it names checkpoints that have been deleted
            for result in remaining:
                if isinstance(result, int):
                    save(store, result)
                    snapshot.write_text("{}")
                elif isinstance(result, Exception):
                    raise result
                else:
                    return SimpleNamespace(return_value=result)
            raise AssertionError("no further attempt was expected")

        monkeypatch.setattr(driver, "_trainer", lambda *_, **__: SimpleNamespace(fit=None))
        monkeypatch.setattr(driver, "run_until_stopped", attempt)
        monkeypatch.setattr(driver, "release_workers", lambda _, *, run: released.append(run))
        settings: Any = SimpleNamespace(output="out", workers=WorkersConfig(max_failures=1, hang_timeout=7.5))
        anything: Any = None
        outcome = driver._fit(settings, anything, store, anything, use_gpu=False, callbacks=[])
        assert not list(remaining)
        return outcome

    return fit


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ActorDiedError(), id="killed"),
        pytest.param(OutOfMemoryError("killed"), id="killed by Ray for lack of memory"),
        pytest.param(ControllerError(OSError("AWS Error NETWORK_CONNECTION")), id="an error of its own"),
    ],
)
def test_a_lost_controller_is_restarted(fit: Fit, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert fit([error, 10, DONE]) == DONE
    assert "the run is restarted from its last checkpoint" in caplog.text


def test_a_lost_controller_is_restarted_again_if_there_was_progress(fit: Fit) -> None:
    assert fit([10, ActorDiedError(), 20, ActorDiedError(), 30, ActorDiedError(), DONE]) == DONE


@pytest.mark.parametrize("before", [pytest.param([], id="at the start"), pytest.param([10], id="after a checkpoint")])
def test_without_progress_the_run_ends_with_the_options_that_need_less_memory(fit: Fit, before: list[Any]) -> None:
    with pytest.raises(
        FailureError, match=r"^2 failures of .*max_failures \(1\)\..*memory of its node was full: .*--micro_batch_size"
    ):
        fit([*before, OutOfMemoryError("killed"), OutOfMemoryError("killed")])


def test_exhausted_preemptions_end_the_run_in_words(fit: Fit) -> None:
    with pytest.raises(FailureError, match=r"more announced preemptions .* the same command resumes"):
        fit([10, WorkerGroupError("preempted", {0: ActorDiedError()})])


@pytest.mark.parametrize("error", [FailureError("the same error occurred twice"), InputError("row 3")])
def test_errors_that_end_a_run_are_raised_as_they_are(fit: Fit, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        fit([10, ControllerError(error)])
    assert raised.value is error


def test_collective_operations_have_a_multiple_of_the_time_of_a_hang() -> None:
    settings: Any = SimpleNamespace(output="/out", workers=WorkersConfig(number=2, hang_timeout=7.5))
    assignment: Any = None
    trainer: Any = driver._trainer(settings, assignment, use_gpu=False, callbacks=[])
    assert trainer.backend_config.to_dict()["timeout_s"] == 23


def exported(store: CheckpointStore, export: str) -> int:
    settings: Any = SimpleNamespace(export=export, loop=SimpleNamespace(steps=30))
    return driver._exported(settings, store).step


def test_the_last_or_the_best_checkpoint_is_exported(store: CheckpointStore) -> None:
    for step, score in {10: 0.9, 20: 0.1, 30: 0.5}.items():
        save(store, step, score)
    assert (exported(store, "last"), exported(store, "best")) == (30, 10)


def test_a_damaged_best_checkpoint_is_replaced_by_the_next_best(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    for step, score in {10: 0.9, 20: 0.1, 30: 0.5}.items():
        save(store, step, score)
    (Path(store.path(10)) / "model" / "span_head.safetensors").unlink()
    assert exported(store, "best") == 30
    assert "step-00000010 is damaged, and is not exported: model/span_head.safetensors is missing" in caplog.text


def test_a_damaged_last_checkpoint_is_not_replaced(store: CheckpointStore) -> None:
    """An earlier one would pass for a finished training; the same command trains the missing steps again."""
    for step in (20, 30):
        save(store, step)
    os.truncate(Path(store.path(30)) / "model" / "span_head.safetensors", 1)
    with pytest.raises(FailureError, match="no undamaged checkpoint to export"):
        exported(store, "last")
