"""Samples that each worker trains on, for 1, 2 and 4 workers and for an interrupted run, compared byte for byte.

    python benchmarks/sample_order.py --model tests/compatibility/encoder --data tests/compatibility/data \\
        --figure docs/images/sample_order.png

Trains four times with the same configuration. The fourth run begins with 4 workers; one is killed (SIGKILL), and Ray
Train restarts all of them from the last checkpoint. Later the run is stopped by SIGTERM and started again with 2
workers, and when one of these is killed, too, the run fails, and is started again with 1. Each worker records the
samples of each step as they arrive from the loader. The status is 1 if any of them differ from those of one worker.
"""

import argparse
import dataclasses
import itertools
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

from sample_order_report import Attempt, Delivery, attempts, draw, problems, summary

from clism_core.cluster.collectives import rank, world_size
from clism_core.cluster.connect import connect
from clism_core.model.inputs import ModelInputs
from clism_core.pretraining.batches import MaskingConfig
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.held_out_data import HeldOutConfig
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.pretrain import pretrain
from clism_core.pretraining.recipe import PretrainingRecipe
from clism_core.tracking.lifecycle import tracked_run
from clism_core.training.checkpoint_store import CheckpointStore
from clism_core.training.config import WorkersConfig
from clism_core.training.data.indexed_rows import Row
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.training.recipe import BatchBuilder
from clism_core.utils.errors import FailureError

STEPS, CHECKPOINT_EVERY = 24, 4


@dataclass(frozen=True)
class Interruption:
    """Interruption of a run with `workers` workers by a signal that worker `rank` sends at `step` (from 0), once."""

    workers: int
    step: int
    rank: int
    signal: signal.Signals
    process: int = 0
    """Process that receives the signal; 0: that of the worker."""

    def send(self, marker: Path) -> None:
        """Send the signal unless `marker` exists, which is created."""
        if marker.exists():
            return
        marker.touch()
        os.kill(self.process or os.getpid(), self.signal)
        time.sleep(5)  # a request to stop arrives during this step


@dataclass(frozen=True)
class RecordingRecipe(PretrainingRecipe):
    """Pre-training whose workers record the samples that they are given, in one file per process."""

    folder: str = ""
    interruptions: tuple[Interruption, ...] = ()

    def batch_builder(self, model: PretrainingModel) -> BatchBuilder:
        """Return the builder of micro-batches, which is called once per step."""
        build = super().batch_builder(model)
        store = CheckpointStore(self.config.output)
        first = next((saved.step for saved in store.saved()), 0)  # where the workers have just resumed
        steps = itertools.count(first)

        def record(groups: Sequence[Sequence[Row]]) -> ModelInputs:
            step = next(steps)
            samples = tuple(f"{row['sample_id']} {row['visit']}" for group in groups for row in group)
            delivery = Delivery(world_size(), first, step, rank(), samples)
            with Path(self.folder, f"{os.getpid()}.jsonl").open("a") as file:
                file.write(f"{json.dumps(delivery)}\n")
            for number, due in enumerate(self.interruptions):
                if (due.workers, due.step, due.rank) == (world_size(), step, rank()):
                    last = step // CHECKPOINT_EVERY * CHECKPOINT_EVERY
                    while store.path(last) not in store.complete():  # it is uploaded while training continues
                        time.sleep(0.1)
                    due.send(Path(self.folder, f"interruption-{number}"))
            return build(groups)

        return record


def train(config: PretrainConfig, folder: Path, interruptions: Sequence[Interruption] = ()) -> None:
    """Start or resume the run of `config`, recording into `folder`."""
    folder.mkdir(exist_ok=True)
    recording = partial(RecordingRecipe, folder=str(folder), interruptions=tuple(interruptions))
    with (
        patch("clism_core.pretraining.pretrain.PretrainingRecipe", recording),
        tracked_run(job="pretrain", output=config.output, config=dataclasses.asdict(config)) as run,
    ):
        done = pretrain(config, run)
        if not done.finished:
            run.finish("KILLED")


def read(folder: Path) -> list[Attempt]:
    """Return what the workers of a run have recorded."""
    lines = [line for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]
    return attempts([Delivery.parse(json.loads(line)) for line in lines])


def run_all(config: PretrainConfig, root: Path) -> dict[str, list[Attempt]]:
    """Train once with each number of workers and once with interruptions; return the attempts of each run."""

    def with_workers(number: int, name: str, *, max_failures: int = 1) -> PretrainConfig:
        workers = WorkersConfig(number=number, cpus=0.5, threads=1, use_gpu=False, max_failures=max_failures)
        return dataclasses.replace(config, output=str(root / name), workers=workers)

    runs = {}
    for number in (1, 2, 4):
        name = f"{number} worker{'s' if number > 1 else ''}"
        train(with_workers(number, name), root / f"{name} record")
        runs[name] = read(root / f"{name} record")
    name, folder = "interrupted", root / "interrupted record"
    interruptions = [
        Interruption(workers=4, step=6, rank=3, signal=signal.SIGKILL),
        Interruption(workers=4, step=12, rank=0, signal=signal.SIGTERM, process=os.getpid()),
        Interruption(workers=2, step=18, rank=1, signal=signal.SIGKILL),
    ]
    train(with_workers(4, name), folder, interruptions)
    try:
        train(with_workers(2, name, max_failures=0), folder, interruptions)
    except FailureError as failure:
        print(f"the run with 2 workers failed, as intended: {failure}")
    train(with_workers(1, name), folder)
    runs[name] = read(folder)
    return runs


def main() -> int:
    """Train, compare and draw; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="encoder to start from")
    parser.add_argument("--data", required=True, help="prepared data; a few hundred samples make a readable figure")
    parser.add_argument("--figure", type=Path, help="PNG file to draw")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        os.environ["CLISM_HOME"] = root
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        connect(num_cpus=4)
        config = PretrainConfig(
            model=str(Path(given.model).absolute()),
            data=str(Path(given.data).absolute()),
            global_batch_size=8,
            length_window=4,
            register=False,
            masking=MaskingConfig(max_length=64),
            held_out=HeldOutConfig(fraction=0.1, max_samples=8),
            optimizer=OptimizerConfig(warmup_steps=2),
            loop=LoopConfig(steps=STEPS, evaluate_every=STEPS, checkpoint_every=CHECKPOINT_EVERY),
        )
        runs = run_all(config, Path(root))
    reference = runs["1 worker"][0]
    for name, tried in runs.items():
        print(f"{name}: {summary(tried)}")
    found = [f"{name}: {text}" for name, tried in runs.items() for text in problems(tried, reference, steps=STEPS)]
    print("\n".join(found) or f"all runs have the same samples in each of {STEPS} steps, byte for byte")
    if given.figure:
        given.figure.parent.mkdir(parents=True, exist_ok=True)
        draw(runs, reference).savefig(given.figure, dpi=150)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
