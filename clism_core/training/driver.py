"""Driver of a training run on the cluster, for any recipe."""

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import ray
from ray.actor import ActorHandle
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.train import ControllerError, FailureConfig, RunConfig, ScalingConfig, TrainingFailedError, UserCallback
from ray.train.torch import TorchTrainer

from clism_core.cluster.graceful_stop import release_workers, run_until_stopped, start_stop_request, stop_signals
from clism_core.cluster.nodes import this_node_id
from clism_core.cluster.process_group import OneAddressTorchConfig
from clism_core.cluster.ray_internals import CHECKPOINT_SNAPSHOT, HEALTH_CHECK_TIMEOUT, WorkersStart
from clism_core.model.precision import PrecisionName
from clism_core.model.trainable import TrainedModel
from clism_core.model.trained_weights import complete_model, has_trained_weights
from clism_core.tracking.run import TrackedRun
from clism_core.training.checkpoint_store import (
    CHECKPOINTS,
    CheckpointStore,
    DamagedCheckpointError,
    SavedCheckpoint,
)
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.training.config import RunSettings, WorkersConfig
from clism_core.training.data.indexed_rows import IndexedRows
from clism_core.training.data.sampler import SampleOrder
from clism_core.training.failures import DivergedError, FailureLimit, describe_failure
from clism_core.training.outcome import Outcome
from clism_core.training.preflight.needs import needs_of_workers
from clism_core.training.preflight.problems import precision_problem
from clism_core.training.recipe import Recipe
from clism_core.training.worker import Assignment, train_worker
from clism_core.utils.environment import environment_variables
from clism_core.utils.errors import FailureError, InputError, UnavailableError, failure_message
from clism_core.utils.storage import delete, download_folder, filesystem, join

logger = logging.getLogger(__name__)

COLLECTIVE_TIMEOUT = 3
"""Limit of a collective operation, in units of `hang_timeout`."""


@dataclass(frozen=True)
class Trained:
    """Result of a training run. If it is finished, `checkpoint` becomes the model; `metrics` are its metrics."""

    finished: bool
    step: int
    checkpoint: SavedCheckpoint
    metrics: dict[str, float]
    load_initial: Callable[[], TrainedModel[Any]] = field(kw_only=True, repr=False)
    """Loads the initial model of the training."""

    def copy_model(self, folder: Path) -> None:
        """Write the checkpoint's model, with the whole vocabulary, into the local `folder`, which is created."""
        download_folder(join(self.checkpoint.path, MODEL_FOLDER), folder)
        if has_trained_weights(folder):
            complete_model(self.load_initial(), folder)


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
        FailureError: if training has diverged, an error recurs, or there are too many failures.
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
        needs=needs_of_workers(settings, use_gpu=use_gpu),
    )
    store = CheckpointStore(settings.output)
    # Within a sweep or study, signals are handled by the enclosing job.
    own_signals = stop_signals(stop_request.request.remote, "saving at the next step, then stopping")
    with nullcontext() if hooks.stop_request else own_signals:
        # A reference: Ray Train's controller receives it, too, and would load all that training imports.
        reference = ray.put(assignment)
        outcome = _fit(settings, reference, store, stop_request, use_gpu=use_gpu, callbacks=hooks.callbacks)
    if isinstance(outcome.error, DivergedError):
        store.delete(store.path(outcome.error.step))  # holds the weights in question
    if outcome.error is not None:
        raise outcome.error
    checkpoint = _exported(settings, store) if outcome.finished else next(store.saved())
    return Trained(
        finished=outcome.finished,
        step=checkpoint.step,
        checkpoint=checkpoint,
        metrics={name: value for name, value in checkpoint.metrics.items() if "/" in name},
        load_initial=partial(recipe.load_model, settings.model),
    )


def _fit(
    settings: RunSettings,
    assignment: "ray.ObjectRef[Assignment]",
    store: CheckpointStore,
    stop_request: "ActorHandle[Any]",
    *,
    use_gpu: bool,
    callbacks: Sequence[UserCallback],
) -> Outcome:
    """Run Ray Train, again if its controller fails, up to `max_failures` times without a new checkpoint in between."""
    restarted_from, failures, limit = list[str](), 0, settings.workers.max_failures
    release_workers(stop_request, run=settings.output)  # of a lost process that ran this training
    while True:
        store.check_version(ray_snapshot=CHECKPOINT_SNAPSHOT)
        delete(join(store.root, CHECKPOINT_SNAPSHOT))
        trainer = _trainer(settings, assignment, use_gpu=use_gpu, callbacks=callbacks)
        try:
            with environment_variables({HEALTH_CHECK_TIMEOUT: str(settings.workers.hang_timeout)}):
                result: Any = run_until_stopped(trainer.fit, stop_request, run=settings.output)
        except ControllerError as error:  # raised by callbacks, among others
            failure = error.controller_failure
            if isinstance(failure, InputError | FailureError) and not isinstance(failure, UnavailableError):
                raise failure from None
            problem = failure_message(error)
        except (RayActorError, OutOfMemoryError) as error:
            problem = describe_failure(error)
        except TrainingFailedError as error:
            raise FailureError(
                f"more announced preemptions than --workers.max_preemption_failures, or a failure that Ray Train does "
                f"not survive: {failure_message(error)}; the same command resumes from the last checkpoint"
            ) from error
        else:
            outcome: Outcome = result.return_value
            return outcome
        finally:
            release_workers(stop_request, run=settings.output)
        complete = store.complete()
        failures = failures + 1 if complete == restarted_from else 1
        restarted_from = complete
        if 0 <= limit < failures:
            raise FailureError(
                f"{failures} failures of Ray Train's controller since the last checkpoint, more than "
                f"--workers.max_failures ({limit}). The last one: {problem}"
            )
        logger.warning("Ray Train's controller failed (%s); the run is restarted from its last checkpoint", problem)


def _exported(settings: RunSettings, store: CheckpointStore) -> SavedCheckpoint:
    """Return the checkpoint of a finished run that becomes the model, with an undamaged model.

    If the best one is damaged, that is the next best one: training again would give no other.
    """
    last = (saved for saved in store.saved() if saved.step == settings.loop.steps)
    for saved in store.best() if settings.export == "best" else last:
        try:
            saved.verify(saved.path, below=f"{MODEL_FOLDER}/")
        except DamagedCheckpointError as error:
            logger.warning("%s is damaged, and is not exported: %s", saved.path, error)
        else:
            return saved
    raise FailureError(
        f"{store.root}: no undamaged checkpoint to export; the same command trains again from an earlier checkpoint"
    )


def choose_device(workers: WorkersConfig, precision: PrecisionName) -> bool:
    """Return whether the workers train on GPUs.

    Raises:
        InputError: if the precision is not supported on the device.
    """
    use_gpu = trains_on_gpus(workers)
    gpus = _cluster_gpus()
    if workers.use_gpu is None and gpus and not use_gpu:
        logger.warning(
            "the cluster has %d GPUs for %d workers: training on CPUs; set --workers.use_gpu true to wait for more "
            "GPUs",
            *(gpus, workers.minimum),
        )
    number = f"{workers.minimum}" if workers.minimum == workers.maximum else f"{workers.minimum} to {workers.maximum}"
    logger.info("training on %s %s", number, "GPUs" if use_gpu else "workers without a GPU")
    if problem := precision_problem(precision, use_gpu=use_gpu):
        raise InputError(problem)
    return use_gpu


def trains_on_gpus(workers: WorkersConfig) -> bool:
    """Return whether the workers would train on GPUs if they started now."""
    return _cluster_gpus() >= workers.minimum * workers.gpus if workers.use_gpu is None else workers.use_gpu


def _cluster_gpus() -> int:
    return int(ray.cluster_resources().get("GPU", 0))


def _trainer(
    settings: RunSettings,
    assignment: "ray.ObjectRef[Assignment]",
    *,
    use_gpu: bool,
    callbacks: Sequence[UserCallback],
) -> TorchTrainer:
    file_system, path = filesystem(settings.output)
    workers = settings.workers
    # Any number of failures: those that end the run do so by an error of `FailureLimit`.
    limits: Any = {"max_failures": -1, "max_preemption_failures": workers.max_preemption_failures}
    failure_limit = FailureLimit(workers.max_failures)
    number: Any = workers.number if isinstance(workers.number, int) else (workers.minimum, workers.maximum)
    return TorchTrainer(
        cast("Callable[[dict[Any, Any]], None]", train_worker),
        train_loop_config={"assignment": assignment},
        torch_config=OneAddressTorchConfig(timeout_s=math.ceil(COLLECTIVE_TIMEOUT * workers.hang_timeout)),
        scaling_config=ScalingConfig(
            num_workers=number,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": workers.cpus, **({"GPU": workers.gpus} if use_gpu else {})},
        ),
        run_config=RunConfig(
            name=CHECKPOINTS,
            storage_path=path,
            storage_filesystem=file_system,
            failure_config=FailureConfig(**limits),
            callbacks=[
                cast(Any, callback)
                for callback in (failure_limit, WorkersStart(failure_limit.start_workers), *callbacks)
            ],
        ),
    )
