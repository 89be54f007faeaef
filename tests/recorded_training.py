"""The pretrain job on a tiny encoder, with a record of the samples of each step.

A disturbed run is compared with an undisturbed one by the samples and the loss of each step, and by its model.
"""

import json
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

import pretrain as job
import pytest
from mlflow import MlflowClient
from ray import cloudpickle
from safetensors.torch import load
from tiny import write_encoder, write_prepared
from torch import Tensor
from weights import assert_same_training

from clism_core.cluster.collectives import rank, world_size
from clism_core.model.inputs import ModelInputs
from clism_core.pretraining.batches import MaskingConfig
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.held_out_data import HeldOutConfig
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.recipe import PretrainingRecipe
from clism_core.training.config import WorkersConfig
from clism_core.training.data.indexed_rows import Row
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.training.recipe import BatchBuilder
from clism_core.utils.home import tracking_uri
from clism_core.utils.storage import join, read_bytes, read_json

STEPS = 60
BATCH = 8


def write_config(root: Path) -> PretrainConfig:
    """Write an encoder and data, and return the configuration of a run of two workers, less than an epoch long."""
    return PretrainConfig(
        model=str(write_encoder("xlmr", root / "encoder")),
        data=str(write_prepared(root / "prepared", samples=300)),
        global_batch_size=BATCH,
        length_window=4,
        masking=MaskingConfig(max_length=64),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=2),
        loop=LoopConfig(steps=STEPS, evaluate_every=STEPS, checkpoint_every=5, log_every=1),
        held_out=HeldOutConfig(fraction=0.05, max_samples=5),
        workers=WorkersConfig(number=2, use_gpu=False),
        register=False,
    )


@dataclass(frozen=True)
class RecordingRecipe(PretrainingRecipe):
    """Pre-training in which each worker writes a line with the ids of its samples for each step."""

    records: str

    def batch_builder(self, model: PretrainingModel) -> BatchBuilder:
        build = super().batch_builder(model)
        began = time.time()
        file = Path(self.records, f"{began:.6f}-{rank()}.jsonl")
        head = {"pid": os.getpid(), "rank": rank(), "workers": world_size(), "began": began}
        file.write_text(f"{json.dumps(head)}\n")

        def build_and_record(groups: Sequence[Sequence[Row]]) -> ModelInputs:
            with file.open("a") as lines:
                lines.write(json.dumps([row["sample_id"] for group in groups for row in group]) + "\n")
            return build(groups)

        return build_and_record


def run(config: PretrainConfig, records: Path) -> None:
    """Run the job with records in a folder, which is created."""
    records.mkdir(exist_ok=True)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        with pytest.MonkeyPatch.context() as patch:
            recipe = partial(RecordingRecipe, records=str(records))
            patch.setattr("clism_core.pretraining.pretrain.PretrainingRecipe", recipe)
            job.main(config)
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Record:
    """What one worker has trained on from its start to its end: the ids of its samples, by step."""

    pid: int
    rank: int
    workers: int
    began: float
    """In seconds since the epoch."""
    batches: list[list[str]]


def read_records(folder: Path) -> list[Record]:
    """Return the records of all workers of a run, in order of their start; the last line may be incomplete."""
    found = []
    for file in sorted(folder.glob("*.jsonl")):
        lines = [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        if lines:
            found.append(Record(**lines[0], batches=lines[1:]))
    return found


@dataclass(frozen=True)
class Reference:
    """A run that nothing has disturbed."""

    steps: list[set[str]]
    """Ids of the samples of each step; no sample comes twice."""
    losses: list[float]
    model: dict[str, Tensor]

    def step_of(self, ids: Sequence[str]) -> int:
        """Return the step whose samples include `ids`."""
        return next(step for step, expected in enumerate(self.steps) if {*ids} <= expected)


def read_reference(output: str, records: Path) -> Reference:
    """Return a run of two workers that has recorded each step once."""
    first, second = read_records(records)
    steps = [{*one, *other} for one, other in zip(first.batches, second.batches, strict=True)]
    assert [len(ids) for ids in steps] == [BATCH] * STEPS
    assert len(set.union(*steps)) == BATCH * STEPS
    return Reference(steps, read_losses(output), read_model(output))


def read_losses(output: str) -> list[float]:
    """Return the loss of each step, which the tracking store must have once."""
    run = read_json(join(output, "result.json"))
    points = MlflowClient(tracking_uri()).get_metric_history(run["run_id"], "train/loss")
    losses = {point.step: point.value for point in points}
    assert Counter(point.step for point in points) == Counter(range(1, STEPS + 1))
    return [losses[step] for step in range(1, STEPS + 1)]


def read_model(output: str) -> dict[str, Tensor]:
    """Return the weights of the exported encoder."""
    return load(read_bytes(join(output, "model", "model.safetensors")))


def assert_undisturbed(output: str, records: Path, reference: Reference) -> int:
    """Check that a run has the samples of the reference at each step, its losses and its model.

    Args:
        output: output of the run.
        records: folder of its records.
        reference: the undisturbed run.

    Returns:
        number of steps that were trained more than once.
    """
    parts: dict[tuple[int, int], dict[int, list[str]]] = defaultdict(dict)  # by step and number of workers, then rank
    times = Counter[int]()
    for record in read_records(records):
        steps = [reference.step_of(ids) for ids in record.batches]
        assert all(later == step + 1 for step, later in pairwise(steps))
        times.update(steps if record.rank == 0 else [])
        for step, ids in zip(steps, record.batches, strict=True):
            parts[step, record.workers][record.rank] = ids
    whole = {key: by_rank for key, by_rank in parts.items() if len(by_rank) == key[1]}
    assert {step for step, _ in whole} == {*range(STEPS)}
    for (step, _), by_rank in whole.items():
        assert sorted(chain.from_iterable(by_rank.values())) == sorted(reference.steps[step])
    assert read_losses(output) == pytest.approx(reference.losses, rel=1e-6)
    assert_same_training(read_model(output), reference.model)
    return sum(times.values()) - STEPS


@contextmanager
def once_trained(records: Path, steps: int, act: Callable[[], None]) -> Iterator[list[float]]:
    """Call `act` while the body runs, when a worker has begun its step number `steps`.

    Yields a list that then has the time of the call, in seconds since the epoch.
    """
    ended, called = threading.Event(), list[float]()

    def watch() -> None:
        while not ended.wait(0.02):
            if any(len(record.batches) >= steps for record in read_records(records)):
                called.append(time.time())
                act()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield called
    finally:
        ended.set()
        watcher.join()
