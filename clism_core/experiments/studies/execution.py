"""Execution of a study's runs as Ray tasks, which Ray schedules by their dependencies and resources."""

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
from clism_core.experiments.concurrency import cluster_share, node_share, process_memory, with_own_threads
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.plan import StudyPlan
from clism_core.experiments.studies.run_graph import Stage
from clism_core.experiments.studies.run_records import FinishedRun, model_folder
from clism_core.experiments.trainings import child_run
from clism_core.tracking.lifecycle import end_lost_run, tracked_run
from clism_core.tracking.run import TrackedRun
from clism_core.training.checkpoint_store import CHECKPOINTS
from clism_core.training.driver import Hooks
from clism_core.training.export import RESULT_FILE
from clism_core.utils.errors import failure_message
from clism_core.utils.progress import time_left
from clism_core.utils.storage import delete, exists, join
from clism_core.utils.text import describe

logger = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between checks for signals."""


class StoppedError(Exception):
    """Raised if a run was asked to stop before its end."""


@dataclass(frozen=True)
class StudyRuns:
    """Outcomes of the runs of a study, by the names of their stages."""

    finished: Mapping[str, FinishedRun]
    failed: Mapping[str, str]
    """Reasons of failures."""
    stopped: bool
    """Whether a signal stopped the study before all runs were tried."""


def run_stages(plan: StudyPlan, config: StudyConfig, *, parent: TrackedRun, concurrency: int) -> StudyRuns:
    """Execute the missing runs, as many concurrently as fit in the cluster.

    Each run is a Ray task on this node. It waits for the run whose model it uses and then for its share of the
    cluster: each task reserves that share of this node's own resource, whose total is 1, so that Ray never runs more
    tasks than fit. If a run fails, only the runs that depend on it fail, too. SIGINT and SIGTERM stop all runs at their
    next steps.

    Args:
        plan: plan of the study.
        config: the study.
        parent: MLflow run of the study.
        concurrency: number of concurrent runs of the largest kind.
    """
    finished, missing, output = dict(plan.finished), plan.missing, config.output
    logger.info("%d of %d runs are finished; %d to run", len(finished), len(plan.stages), len(missing))
    if not missing:
        return StudyRuns(finished, {}, stopped=False)
    for stage in missing:
        if stage.before is not None and stage.before not in finished and exists(stage.folder(output)):
            delete(stage.folder(output))  # started with a model that was deleted and is trained again
    logger.info("at most %s concurrent runs of the largest kind", concurrency)
    stop_request = start_stop_request()
    try:
        with stop_signals(stop_request.request.remote, "runs save at their next steps, then stop") as signals:
            submitted = _submit(plan, config, parent=parent, stop_request=stop_request, concurrency=concurrency)
            failed = _wait(submitted, finished, plan.stages, signals)
    finally:
        for stage in missing:
            if stage.name not in finished and exists(stage.folder(output)):
                end_lost_run(stage.folder(output), "KILLED")
    return StudyRuns(finished, failed, stopped=bool(signals))


def _submit(
    plan: StudyPlan, config: StudyConfig, *, parent: TrackedRun, stop_request: Any, concurrency: int
) -> "dict[ray.ObjectRef[FinishedRun], str]":
    """Submit all missing runs to Ray; return the names of their stages by the references to their results."""
    resources, nodes = ray.cluster_resources(), node_resources()
    here, memory, output = own_resource(), process_memory(), config.output
    references: dict[str, Any] = {}
    for stage in plan.missing:
        job_config = stage.config
        if stage.kind != "evaluate":
            workers = with_own_threads(stage.workers, runs=concurrency, nodes=nodes)
            job_config = dataclasses.replace(job_config, workers=workers)
        if stage.before is not None:
            job_config = dataclasses.replace(job_config, model=model_folder(plan.stages[stage.before], output))
        part = 1 / config.max_concurrent if config.max_concurrent else cluster_share(stage.workers, resources)
        run = _run_stage.options(resources={here: node_share(part)}, memory=memory)
        references[stage.name] = run.remote(
            dataclasses.replace(stage, config=job_config),
            *(output, parent, stop_request, plan.input_digests[stage.name], references.get(stage.before or "")),
        )
    return {reference: name for name, reference in references.items()}


def _wait(
    submitted: "dict[ray.ObjectRef[FinishedRun], str]",
    finished: dict[str, FinishedRun],
    stages: Mapping[str, Stage],
    signals: Sequence[int],
) -> dict[str, str]:
    """Wait for all runs, log progress and add to `finished`; return the reasons of failures.

    After a signal, evaluations are cancelled at once: they have no steps, and their predictions so far are kept.
    """
    failed: dict[str, str] = {}
    pending, started, is_stopping = list(submitted), time.monotonic(), False
    while pending:
        ready, pending = ray.wait(pending, timeout=POLL)
        if signals and not is_stopping:
            is_stopping = True
            for reference in pending:
                if stages[submitted[reference]].kind == "evaluate":
                    ray.cancel(reference, force=True)
        for reference in ready:
            name = submitted[reference]
            try:
                finished[name] = ray.get(reference)
            except (StoppedError, TaskCancelledError):
                continue
            except Exception as error:  # of any kind: the other runs continue
                if is_stopping and isinstance(error, WorkerCrashedError):  # a cancelled evaluation
                    continue
                failed[name] = failure_message(error)
            done = len(submitted) - len(pending)
            left = time_left(time.monotonic() - started, done=done, left=len(pending))
            logger.info(
                "%s (%s) %s; %d of %d runs have ended%s",
                *(name, describe(stages[name].labels), failed.get(name, "is finished"), done, len(submitted)),
                f", about {left} left" if pending else "",
            )
    return failed


@ray.remote(num_cpus=0, max_retries=3)
def _run_stage(
    stage: Stage,
    output: str,
    parent: TrackedRun,
    stop_request: Any,
    digests: Mapping[str, str],
    _before: FinishedRun | None,
) -> FinishedRun:
    """Run a stage after `_before`, if it depends on one. If Ray retries a lost task, the run resumes from a checkpoint.

    Raises:
        StoppedError: if the study was stopped.
    """
    if ray.get(stop_request.is_requested.remote()):
        raise StoppedError
    quieten_run()
    started, folder = time.monotonic(), stage.folder(output)
    if exists(join(folder, RESULT_FILE)) and not exists(model_folder(stage, output)):  # the model was deleted
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
    finished = FinishedRun(run_id, time.monotonic() - started if is_new else None, digests)
    finished.write(folder)
    delete(join(folder, CHECKPOINTS))  # for hundreds of runs, they would take most of the space
    return finished


def _evaluate(config: Any, parent: TrackedRun, name: str, tags: Mapping[str, str]) -> str:
    tags = {MLFLOW_PARENT_RUN_ID: parent.run_id, **tags}
    with tracked_run(
        job="evaluate", output=config.output, config=dataclasses.asdict(config), name=name, tags=tags
    ) as run:
        evaluation = evaluate(config, run)
        logged = run.client.get_run(run.run_id).data.metrics
        missing = [name for name in metrics_by_name(evaluation.metrics) if f"test/{name}" not in logged]
        if missing:  # tables are made from the metrics in MLflow
            raise RuntimeError(
                f"MLflow did not store {len(missing)} scores, such as {missing[0]}; see its messages above"
            )
        return run.run_id
