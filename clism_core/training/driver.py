"""Driver of a training run on the cluster, for any recipe."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import ray
from pyarrow import fs
from ray.actor import ActorHandle
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig, UserCallback
from ray.train.torch import TorchTrainer

from clism_core.cluster.graceful_stop import run_until_stopped, start_stop_request, stop_signals
from clism_core.cluster.nodes import this_node_id
from clism_core.cluster.process_group import OneAddressTorchConfig
from clism_core.model.precision import PrecisionName
from clism_core.tracking.run import TrackedRun
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.training.config import RunSettings, WorkersConfig
from clism_core.training.data.indexed_rows import IndexedRows
from clism_core.training.data.loader import INGEST_CPUS
from clism_core.training.data.sampler import SampleOrder
from clism_core.training.recipe import Recipe
from clism_core.training.worker import Assignment, train_worker
from clism_core.utils.errors import InputError
from clism_core.utils.storage import filesystem

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Trained:
    """Result of a training run. If it is finished, `checkpoint` becomes the model; `metrics` are its metrics."""

    finished: bool
    step: int
    checkpoint: Checkpoint
    metrics: dict[str, float]

    def copy_model(self, folder: Path) -> None:
        """Copy the checkpoint's model into the local `folder`, which is created."""
        folder.mkdir(parents=True, exist_ok=True)
        fs.copy_files(
            f"{self.checkpoint.path}/{MODEL_FOLDER}",
            str(folder),
            source_filesystem=self.checkpoint.filesystem,
            destination_filesystem=fs.LocalFileSystem(),
        )


@dataclass(frozen=True)
class Hooks:
    """Hooks supplied by the enclosing sweep or study."""

    callbacks: Sequence[UserCallback] = ()
    """Callbacks of Ray Train, which run in the process of its controller."""
    stop_request: "ActorHandle[Any] | None" = None
    """A `StopRequest`; None if signals to the driver stop the run."""


def run_training(
    settings: RunSettings,
    recipe: Recipe[Any],
    *,
    data: IndexedRows,
    order: SampleOrder,
    run: TrackedRun,
    use_gpu: bool,
    hooks: Hooks | None = None,
) -> Trained:
    """Train on the connected Ray cluster until the last step or a stop request.

    Args:
        settings: settings of the run; a run with the same `output` is resumed.
        recipe: what to train.
        data: rows from which inputs are built.
        order: assignment of rows to steps.
        run: MLflow run for metrics.
        use_gpu: result of `choose_device`.
        hooks: hooks of the enclosing sweep or study.

    Raises:
        InputError: if a worker finds an unusable input.
        FloatingPointError: if training has diverged.
        NoWorkersError: if a stop was requested while the run had no workers.
    """
    hooks = hooks or Hooks()
    stop_request = hooks.stop_request or start_stop_request()
    assignment = Assignment(
        settings=settings,
        recipe=recipe,
        data=ray.put(data),
        order=ray.put(order),
        stop_request=stop_request,
        run=run,
        driver_node=this_node_id(),
    )
    trainer = _trainer(settings, assignment, use_gpu=use_gpu, callbacks=hooks.callbacks)
    # Within a sweep or study, signals are handled by the enclosing job.
    own_signals = stop_signals(stop_request.request.remote, "saving at the next step, then stopping")
    with nullcontext() if hooks.stop_request else own_signals:
        result: Any = run_until_stopped(trainer.fit, stop_request, run=settings.output)
    if result.return_value.error is not None:
        raise result.return_value.error
    finished = result.return_value.finished
    checkpoint, metrics = result.checkpoint, result.metrics
    if finished and settings.export == "best":
        checkpoint, metrics = max(result.best_checkpoints, key=lambda kept: float(kept[1].get("score", float("-inf"))))
    return Trained(
        finished=finished,
        step=int(metrics["step"]),
        checkpoint=checkpoint,
        metrics={name: value for name, value in metrics.items() if "/" in name},
    )


def choose_device(workers: WorkersConfig, precision: PrecisionName) -> bool:
    """Return whether the workers train on GPUs, and warn if they leave no CPUs for reading data.

    Raises:
        InputError: if the precision is not supported on the device.
    """
    _warn_if_no_cpus_for_data(workers)
    gpus = int(ray.cluster_resources().get("GPU", 0))
    use_gpu = workers.use_gpu
    if use_gpu is None:
        use_gpu = gpus >= workers.number * workers.gpus
        if gpus and not use_gpu:
            logger.warning(
                "the cluster has %d GPUs for %d workers: training on CPUs; set --workers.use_gpu true to wait for more "
                "GPUs",
                *(gpus, workers.number),
            )
    logger.info("training on %d %s", workers.number, "GPUs" if use_gpu else "workers without a GPU")
    if precision == "fp16" and not use_gpu:
        raise InputError("--precision fp16: needs GPUs, but the workers train on CPUs; use fp32, bf16 or auto")
    return use_gpu


def _warn_if_no_cpus_for_data(workers: WorkersConfig) -> None:
    """Warn that training will wait if the workers reserve all CPUs; nodes that join later may add CPUs."""
    total, reserved = float(ray.cluster_resources().get("CPU", 0)), workers.number * workers.cpus
    if total < reserved + INGEST_CPUS:
        logger.warning(
            "the workers reserve %g of %g CPUs in the cluster, and reading data needs %g: training waits for nodes to "
            "join; otherwise stop the job and lower --workers.number or --workers.cpus",
            *(reserved, total, INGEST_CPUS),
        )


def _trainer(
    settings: RunSettings, assignment: Assignment, *, use_gpu: bool, callbacks: Sequence[UserCallback]
) -> TorchTrainer:
    file_system, path = filesystem(settings.output)
    return TorchTrainer(
        cast("Callable[[dict[Any, Any]], None]", train_worker),
        train_loop_config={"assignment": assignment},
        torch_config=OneAddressTorchConfig(),
        scaling_config=ScalingConfig(
            num_workers=settings.workers.number,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": settings.workers.cpus, **({"GPU": settings.workers.gpus} if use_gpu else {})},
        ),
        run_config=RunConfig(
            name=CHECKPOINTS,
            storage_path=path,
            storage_filesystem=file_system,
            checkpoint_config=CheckpointConfig(
                num_to_keep=1, checkpoint_score_attribute="score", checkpoint_score_order="max"
            ),
            failure_config=FailureConfig(max_failures=settings.workers.max_failures),
            callbacks=[cast(Any, callback) for callback in callbacks],
        ),
    )
