"""The runs of a study on the cluster that Ray is connected to: Ray decides what runs when, by what needs what."""

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from ray.exceptions import TaskCancelledError, WorkerCrashedError

from clism_core.cluster.console import quieten_run
from clism_core.cluster.graceful_stop import start_stop_request, stop_signals
from clism_core.cluster.nodes import node_resources, own_resource
from clism_core.evaluation.evaluate import evaluate
from clism_core.evaluation.tracking import metrics_by_name
from clism_core.experiments.concurrency import part_of_node, process_memory, share, with_own_threads
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.plan import StudyPlan
from clism_core.experiments.studies.run_graph import Stage
from clism_core.experiments.studies.run_records import Finished, model_of
from clism_core.experiments.trainings import child_run
from clism_core.tracking.run import TrackedRun, end_lost_run, tracked_run
from clism_core.training.driver import CHECKPOINTS, Hooks
from clism_core.training.export import RESULT_FILE
from clism_core.utils.errors import failure_message
from clism_core.utils.progress import time_left
from clism_core.utils.storage import delete, exists, join
from clism_core.utils.text import describe

logger = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between looks at signals."""


class StoppedError(Exception):
    """A run was asked to stop before its end."""


@dataclass(frozen=True)
class StudyRuns:
    """What the runs of a study have come to, by the names of their stages."""

    finished: Mapping[str, Finished]
    failed: Mapping[str, str]
    """Why."""
    stopped: bool
    """Whether a signal has stopped the study before all runs were tried."""


def run_stages(plan: StudyPlan, config: StudyConfig, *, parent: TrackedRun, concurrency: int) -> StudyRuns:
    """Run what is not done yet, as many runs side by side as the cluster has room for.

    Each run is a Ray task on this node, which waits for the one whose model it takes and then for its share of the
    cluster: all tasks of this kind take their shares of this node's own resource, of which there is 1, so that Ray lets
    no more of them run than the cluster has room for. A run that fails takes with it only those that need it. SIGINT
    and SIGTERM stop all at their next steps.

    Args:
        plan: the study's runs.
        config: the study.
        parent: its MLflow run.
        concurrency: how many of the largest runs there are to be at a time.
    """
    finished, missing, output = dict(plan.finished), plan.missing, config.output
    logger.info("%d of %d runs are done; %d to do", len(finished), len(plan.stages), len(missing))
    if not missing:
        return StudyRuns(finished, {}, stopped=False)
    for stage in missing:
        if stage.before is not None and stage.before not in finished and exists(stage.folder(output)):
            delete(stage.folder(output))  # begun with a model that is gone, and is made again
    logger.info("at most %s of the largest runs at a time", concurrency)
    stop_request = start_stop_request()
    try:
        with stop_signals(stop_request.request.remote, "runs save at their next steps, then stop") as signals:
            asked = _submit(plan, config, parent=parent, stop_request=stop_request, concurrency=concurrency)
            failed = _wait(asked, finished, plan.stages, signals)
    finally:
        for stage in missing:
            if stage.name not in finished and exists(stage.folder(output)):
                end_lost_run(stage.folder(output), "KILLED")
    return StudyRuns(finished, failed, stopped=bool(signals))


def _submit(
    plan: StudyPlan, config: StudyConfig, *, parent: TrackedRun, stop_request: Any, concurrency: int
) -> "dict[ray.ObjectRef[Finished], str]":
    """Hand all missing runs to Ray; return their names by what will hold what they have come to."""
    resources, nodes = ray.cluster_resources(), node_resources()
    here, memory, output = own_resource(), process_memory(), config.output
    references: dict[str, Any] = {}
    for stage in plan.missing:
        given = stage.config
        if stage.kind != "evaluate":
            workers = with_own_threads(stage.workers, runs=concurrency, nodes=nodes)
            given = dataclasses.replace(given, workers=workers)
        if stage.before is not None:
            given = dataclasses.replace(given, model=model_of(plan.stages[stage.before], output))
        part = 1 / config.max_concurrent if config.max_concurrent else share(stage.workers, resources)
        run = _run_stage.options(resources={here: part_of_node(part)}, memory=memory)
        references[stage.name] = run.remote(
            dataclasses.replace(stage, config=given),
            *(output, parent, stop_request, plan.contents[stage.name], references.get(stage.before or "")),
        )
    return {reference: name for name, reference in references.items()}


def _wait(
    asked: "dict[ray.ObjectRef[Finished], str]",
    finished: dict[str, Finished],
    stages: Mapping[str, Stage],
    signals: Sequence[int],
) -> dict[str, str]:
    """Wait for all runs, say how far they are, and add to `finished`; return why others failed.

    After a signal, evaluations are ended as they are: they have no steps, and what they have predicted is kept.
    """
    failed: dict[str, str] = {}
    pending, started, is_stopping = list(asked), time.monotonic(), False
    while pending:
        ready, pending = ray.wait(pending, timeout=POLL)
        if signals and not is_stopping:
            is_stopping = True
            for reference in pending:
                if stages[asked[reference]].kind == "evaluate":
                    ray.cancel(reference, force=True)
        for reference in ready:
            name = asked[reference]
            try:
                finished[name] = ray.get(reference)
            except (StoppedError, TaskCancelledError):
                continue
            except Exception as error:  # of any kind: the other runs go on
                if is_stopping and isinstance(error, WorkerCrashedError):  # an evaluation that was ended
                    continue
                failed[name] = failure_message(error)
            done = len(asked) - len(pending)
            left = time_left(time.monotonic() - started, done=done, left=len(pending))
            logger.info(
                "%s (%s) %s; %d of %d runs have ended%s",
                *(name, describe(stages[name].labels), failed.get(name, "is done"), done, len(asked)),
                f", about {left} left" if pending else "",
            )
    return failed


@ray.remote(num_cpus=0, max_retries=3)
def _run_stage(
    stage: Stage,
    output: str,
    parent: TrackedRun,
    stop_request: Any,
    contents: Mapping[str, str],
    _before: Finished | None,
) -> Finished:
    """Run a stage once `_before`, if anything, has made its model; a process that was lost goes on from a checkpoint.

    Raises:
        StoppedError: if the study was stopped.
    """
    if ray.get(stop_request.is_requested.remote()):
        raise StoppedError
    quieten_run()
    started, folder = time.monotonic(), stage.folder(output)
    if exists(join(folder, RESULT_FILE)) and not exists(model_of(stage, output)):  # somebody has deleted it
        delete(folder)
    is_new = not exists(folder)
    config = dataclasses.replace(stage.config, output=folder)
    tags = {f"clism.study.{name}": str(value) for name, value in stage.labels.items()}
    if stage.kind == "evaluate":
        run_id = _evaluate(config, parent, stage.name, tags)
    else:
        config = dataclasses.replace(config, register=False)
        hooks = Hooks(stop_request=stop_request)
        exported = child_run(stage.kind, config, parent=parent, name=stage.name, hooks=hooks, tags=tags)
        if exported is None:
            raise StoppedError
        run_id = exported.run_id
    finished = Finished(run_id, time.monotonic() - started if is_new else None, contents)
    finished.write(folder)
    delete(join(folder, CHECKPOINTS))  # of hundreds of runs, they would be the most of what a study leaves
    return finished


def _evaluate(config: Any, parent: TrackedRun, name: str, tags: Mapping[str, str]) -> str:
    tags = {MLFLOW_PARENT_RUN_ID: parent.run_id, **tags}
    with tracked_run(
        job="evaluate", output=config.output, config=dataclasses.asdict(config), name=name, tags=tags
    ) as run:
        evaluation = evaluate(config, run)
        logged = run.client.get_run(run.run_id).data.metrics
        lost = [name for name in metrics_by_name(evaluation.metrics) if f"test/{name}" not in logged]
        if lost:  # tables are made of what MLflow has
            raise RuntimeError(
                f"MLflow has not taken {len(lost)} of the scores, such as {lost[0]}; see its messages above"
            )
        return run.run_id
