"""Ray Train worker of a training run, for any recipe."""

import logging
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import ray
import ray.train
import torch
from ray.actor import ActorHandle
from ray.train.torch import get_device, prepare_model

from clism_core.cluster.collectives import gather_objects, rank, world_size
from clism_core.cluster.connect import tracking_problems
from clism_core.cluster.graceful_stop import RequestPoll, note_workers
from clism_core.cluster.nodes import this_node_id
from clism_core.cluster.preemption import PreemptionNotices
from clism_core.model.inputs import ModelInputs
from clism_core.model.precision import ResolvedName
from clism_core.model.trainable import TrainedModel, freeze_unused
from clism_core.model.trained_weights import has_trained_weights, load_trained_weights
from clism_core.tracking.run import TrackedRun
from clism_core.training.checkpoint_store import CheckpointStore
from clism_core.training.checkpoints import MODEL_FOLDER, TrainingState, load_training_state, saved_precision
from clism_core.training.config import RunSettings, WorkersConfig
from clism_core.training.data.indexed_rows import IndexedRows, Row
from clism_core.training.data.loader import made_ahead, read_step, sample_ids
from clism_core.training.data.sampler import SampleOrder
from clism_core.training.failures import DivergedError, Place, located
from clism_core.training.loop import TrainingLoop
from clism_core.training.optimizer import build_optimizer
from clism_core.training.outcome import Outcome
from clism_core.training.precision import choose_precision
from clism_core.training.preflight.needs import Needs
from clism_core.training.preflight.node import examine
from clism_core.training.preflight.problems import node_problems
from clism_core.training.recipe import BatchBuilder, Recipe
from clism_core.training.restore import latest_checkpoint
from clism_core.training.step import GradientStep
from clism_core.utils.errors import InputError
from clism_core.utils.quiet import quieten_transformers
from clism_core.utils.text import PrintableFormatter

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assignment:
    """Arguments that the driver sends to its workers; large objects are references."""

    settings: RunSettings
    recipe: Recipe[Any]
    data: "ray.ObjectRef[IndexedRows]"
    order: "ray.ObjectRef[SampleOrder]"
    stop_request: "ActorHandle[Any]"
    run: TrackedRun
    driver_node: str
    needs: Needs


def train_worker(arguments: dict[str, Any]) -> Outcome:
    """Train on one worker, resuming from the latest checkpoint if there is one.

    Args:
        arguments: `assignment`, a reference to an `Assignment`.
    """
    assignment: Assignment = ray.get(arguments["assignment"])
    if rank() == 0:
        note_workers(assignment.stop_request, run=assignment.settings.output)
    _set_up_process(assignment.settings.workers)
    problems = {problem for found in gather_objects(_problems(assignment)) for problem in found}
    if problems:
        return Outcome(finished=False, error=InputError("; ".join(sorted(problems))))
    try:
        with located(lambda: Place("the start of the workers", steps=0)):
            model, state = _restore_or_build(assignment)
        return Outcome(finished=_train(assignment, model, state))
    except DivergedError as error:
        return Outcome(finished=False, error=error)


def _train(assignment: Assignment, model: TrainedModel[Any], state: TrainingState) -> bool:
    """Train the model from its step on; return whether the last step was reached."""
    settings, recipe = assignment.settings, assignment.recipe
    run = replace(assignment.run, writer="worker")
    share = math.ceil(settings.global_batch_size / world_size())  # elastic workers may have unequal shares
    micro_batch_size = min(settings.micro_batch_size or share, share)
    wrapped = prepare_model(
        model,
        parallel_strategy="ddp" if world_size() > 1 else None,
        parallel_strategy_kwargs={"forward_sync_buffers": False, "gradient_as_bucket_view": True},
    )
    loop = TrainingLoop(
        settings.loop,
        model=wrapped,
        state=state,
        gradient_step=GradientStep(wrapped, weights=recipe.weights, precision=state.precision, seed=settings.seed),
        max_gradient_norm=settings.optimizer.max_gradient_norm,
        evaluate=recipe.evaluation(model, batch_size=micro_batch_size, precision=state.precision),
        poll=RequestPoll(assignment.stop_request, PreemptionNotices(), get_device(), run=settings.output),
        run=run,
        store=CheckpointStore(settings.output),
        sample_ids=partial(sample_ids, assignment.data, assignment.order),
    )
    batches = _read_batches(assignment, state.step, recipe.batch_builder(model), micro_batch_size)
    try:
        with _system_metrics(assignment), located(lambda: _place(assignment, loop)):
            return loop.fit(batches)
    finally:
        if rank() == 0:
            run.keep_points()


def _place(assignment: Assignment, loop: TrainingLoop) -> Place:
    step = loop.state.step
    if loop.evaluating:
        return Place(f"the evaluation after step {step}", step)
    own = sample_ids(assignment.data, assignment.order, step, worker=rank(), workers=world_size())
    return Place(f"step {step + 1}", step, tuple(own))


def _set_up_process(workers: WorkersConfig) -> None:
    """Send log lines to the driver, suppress output of model loading, and divide the node's CPU cores among workers."""
    console = logging.StreamHandler(sys.stdout)
    console.setFormatter(PrintableFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[console])
    logging.getLogger("clism_core").setLevel(logging.INFO)
    logging.getLogger().setLevel(logging.WARNING)
    quieten_transformers()
    if get_device().type == "cuda":  # CPU workers may see the GPUs of their node, too
        torch.cuda.set_device(get_device())  # for collectives on objects
    else:
        share = (os.cpu_count() or 1) // ray.train.get_context().get_local_world_size()
        torch.set_num_threads(workers.threads or max(1, share))


def _problems(assignment: Assignment) -> list[str]:
    """Return why this worker's node cannot train: it may have joined the cluster after the checks of the driver."""
    if _on_driver_node(assignment):
        return []
    problems = tracking_problems(assignment.run.tracking_uri) if rank() == 0 else []
    if ray.train.get_context().get_local_rank() == 0:
        report = examine(assignment.needs)
        found = node_problems(report, assignment.needs, gpus=None)
        problems += [f"on {report.name}: {problem}" for problem in found]
    return problems


def _on_driver_node(assignment: Assignment) -> bool:
    return this_node_id() == assignment.driver_node


@contextmanager
def _system_metrics(assignment: Assignment) -> Iterator[None]:
    """Log CPU, memory and GPU usage of this node, once per node.

    On its own node the driver logs them; if the tracking store is not shared, no other node can.
    """
    run = assignment.run
    only_driver_logs = _on_driver_node(assignment) or bool(tracking_problems(run.tracking_uri))
    if only_driver_logs or ray.train.get_context().get_local_rank() != 0:
        yield
        return
    node = f"node-{ray.train.get_context().get_node_rank()}"
    with run.system_metrics(node=node):
        yield


def _restore_or_build(assignment: Assignment) -> tuple[TrainedModel[Any], TrainingState]:
    """Build the model and the training state on this worker's device, from the latest checkpoint if there is one."""
    context = ray.train.get_context()
    store = CheckpointStore(assignment.settings.output)
    nodes = {"node_rank": context.get_node_rank(), "local_rank": context.get_local_rank()}
    with latest_checkpoint(store, **nodes) as folder:
        initial = assignment.settings.model
        if folder is None:
            return _build(assignment, initial)
        saved = folder / MODEL_FOLDER
        is_restricted = has_trained_weights(saved)
        model, state = _build(
            assignment, initial if is_restricted else str(saved), precision=saved_precision(folder, get_device())
        )
        if is_restricted:
            load_trained_weights(model, saved)
        load_training_state(folder, state)
    if rank() == 0:
        logger.info("resuming from the checkpoint of step %d", state.step)
    return model, state


def _build(
    assignment: Assignment, model_name: str, *, precision: ResolvedName | None = None
) -> tuple[TrainedModel[Any], TrainingState]:
    """Return a model and the state of its first step; `precision` is that of a checkpoint."""
    settings, recipe = assignment.settings, assignment.recipe
    model: TrainedModel[Any] = recipe.load_model(model_name)
    if (tokens := recipe.trained_tokens) is not None:
        if model_name == settings.model:
            model.restrict_vocabulary(tokens)
        elif rank() == 0:
            logger.info("the run began with the whole vocabulary, and resumes with it")
    freeze_unused(model, recipe.probe(model))
    model.to(get_device())
    heads = model.new_head_parameters()
    optimizer, schedule = build_optimizer(model, settings.optimizer, settings.loop.steps, heads=heads)
    return model, TrainingState(
        optimizer, schedule, choose_precision(settings.precision, get_device(), before=precision)
    )


def _read_batches(
    assignment: Assignment, first_step: int, build: BatchBuilder, micro_batch_size: int
) -> Iterator[Sequence[ModelInputs]]:
    """Yield this worker's micro-batches of each step from `first_step` on, on its device."""
    data: IndexedRows = ray.get(assignment.data)
    order: SampleOrder = ray.get(assignment.order)

    def make(step: int) -> list[ModelInputs]:
        groups = read_step(data, order, step, rank=rank(), workers=world_size())
        parts: list[list[list[Row]]] = [
            groups[first : first + micro_batch_size] for first in range(0, len(groups), micro_batch_size)
        ]
        return list(map(build, parts))

    for micro_batches in made_ahead(make, range(first_step, assignment.settings.loop.steps)):
        yield [micro_batch.to(get_device()) for micro_batch in micro_batches]
