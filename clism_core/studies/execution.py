"""The runs of a study on the cluster that Ray is connected to: Ray decides what runs when, by what needs what."""

import dataclasses
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import ray
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from ray.exceptions import TaskCancelledError, WorkerCrashedError

from clism_core.child_run import child_run
from clism_core.console import quieten_run
from clism_core.errors import reason
from clism_core.nodes import node_resources, own_resource
from clism_core.storage import delete, exists, join, read_bytes, write_bytes
from clism_core.studies.chains import RUNS, Label, Stage
from clism_core.tasks.evaluation.evaluate import evaluate
from clism_core.tasks.evaluation.tracking import metrics_by_name
from clism_core.tracking.run import TrackedRun, end_lost_run, tracked_run
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.training.delivered import RESULT_FILE
from clism_core.training.run import CHECKPOINTS, Hooks
from clism_core.training.side_by_side import (
    part_of_node,
    process_memory,
    runs_side_by_side,
    share,
    with_own_threads,
)
from clism_core.training.stopping import start_stop_request, stop_signals

logger = logging.getLogger(__name__)

NOTE = "finished.json"
POLL = 1.0
"""Seconds between looks at signals."""


@dataclass(frozen=True)
class Finished:
    """A run that is done."""

    run_id: str
    """Of MLflow."""
    seconds: float | None
    """That it took; None of one that was begun again."""

    def write(self, folder: str) -> None:
        """Note in the run's folder that it is done."""
        write_bytes(join(folder, NOTE), json.dumps(dataclasses.asdict(self), indent=2).encode())


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


def finished_before(stages: Mapping[str, Stage], output: str) -> dict[str, Finished]:
    """Return the runs that are done in the folder of a study, whichever study has made them.

    One whose model is gone is not done if a run that is not done needs it.
    """
    notes = {name: join(stage.folder(output), NOTE) for name, stage in stages.items()}
    finished = {name: Finished(**json.loads(read_bytes(note))) for name, note in notes.items() if exists(note)}
    for name, stage in reversed(list(stages.items())):
        before = stage.before
        if name not in finished and before in finished and not exists(_model(stages[before], output)):
            logger.warning("the model of %s, which is wanted, is gone: it is made again", before)
            del finished[before]
    return finished


def _model(stage: Stage, output: str) -> str:
    return join(stage.folder(output), MODEL_FOLDER)


def run_stages(
    stages: Mapping[str, Stage], *, output: str, parent: TrackedRun, max_concurrent: int | None
) -> StudyRuns:
    """Run what is not done yet, as many runs side by side as the cluster has room for.

    Each run is a Ray task on this node, which waits for the one whose model it takes and then for its share of the
    cluster: all tasks of this kind take their shares of this node's own resource, of which there is 1, so that Ray lets
    no more of them run than the cluster has room for. A run that fails takes with it only those that need it. SIGINT
    and SIGTERM stop all at their next steps.

    Args:
        stages: by name, each after that which it needs.
        output: the folder of the study.
        parent: the MLflow run of the study.
        max_concurrent: how many runs there are to be side by side; None for as many as have room now.

    Raises:
        InputError: if none has room now, and no number is given.
    """
    finished = finished_before(stages, output)
    missing = [stage for name, stage in stages.items() if name not in finished]
    logger.info("%d of %d runs are done; %d to do", len(finished), len(stages), len(missing))
    if not missing:
        return StudyRuns(finished, {}, stopped=False)
    for stage in missing:
        if stage.before is not None and stage.before not in finished and exists(stage.folder(output)):
            delete(stage.folder(output))  # begun with a model that is gone, and is made again
    stop_request = start_stop_request()
    try:
        with stop_signals(stop_request.request.remote, "runs save at their next steps, then stop") as signals:
            asked = _submit(
                missing, output=output, parent=parent, stop_request=stop_request, max_concurrent=max_concurrent
            )
            failed = _wait(asked, finished, {stage.name: stage for stage in missing}, signals)
    finally:
        for stage in missing:
            if stage.name not in finished and exists(stage.folder(output)):
                end_lost_run(stage.folder(output), "KILLED")
    return StudyRuns(finished, failed, stopped=bool(signals))


def _submit(
    missing: Sequence[Stage],
    *,
    output: str,
    parent: TrackedRun,
    stop_request: Any,
    max_concurrent: int | None,
) -> "dict[ray.ObjectRef[Finished], str]":
    """Hand all runs to Ray; return their names by what will hold what they have come to."""
    resources, nodes = ray.cluster_resources(), node_resources()
    slots = runs_side_by_side([stage.workers for stage in missing], wanted=max_concurrent)
    slots = min(slots, len(missing))
    logger.info("at most %s of the largest runs at a time", slots)
    here, memory = own_resource(), process_memory()
    references: dict[str, Any] = {}
    for stage in missing:
        config = stage.config
        if stage.kind != "evaluate":
            workers = with_own_threads(stage.workers, runs=slots, nodes=nodes)
            config = dataclasses.replace(config, workers=workers)
        if stage.before is not None:
            config = dataclasses.replace(config, model=join(output, RUNS, stage.before, MODEL_FOLDER))
        part = 1 / max_concurrent if max_concurrent else share(stage.workers, resources)
        run = _run_stage.options(resources={here: part_of_node(part)}, memory=memory)
        given = dataclasses.replace(stage, config=config)
        references[stage.name] = run.remote(given, output, parent, stop_request, references.get(stage.before or ""))
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
                failed[name] = reason(error)
            done = len(asked) - len(pending)
            left = timedelta(seconds=round((time.monotonic() - started) / done * len(pending)))
            logger.info(
                "%s (%s) %s; %d of %d runs have ended%s",
                *(name, describe(stages[name].labels), failed.get(name, "is done"), done, len(asked)),
                f", about {left} left" if pending else "",
            )
    return failed


def describe(labels: Mapping[str, Label]) -> str:
    """Return what tells a run from the others, in one line."""
    return ", ".join(f"{name} {value}" for name, value in labels.items())


@ray.remote(num_cpus=0, max_retries=3)
def _run_stage(stage: Stage, output: str, parent: TrackedRun, stop_request: Any, _before: Finished | None) -> Finished:
    """Run a stage once `_before`, if anything, has made its model; a process that was lost goes on from a checkpoint.

    Raises:
        StoppedError: if the study was stopped.
    """
    if ray.get(stop_request.is_requested.remote()):
        raise StoppedError
    quieten_run()
    started, folder = time.monotonic(), stage.folder(output)
    if exists(join(folder, RESULT_FILE)) and not exists(_model(stage, output)):  # somebody has deleted it
        delete(folder)
    is_new = not exists(folder)
    config = dataclasses.replace(stage.config, output=folder)
    tags = {f"clism.study.{name}": str(value) for name, value in stage.labels.items()}
    if stage.kind == "evaluate":
        run_id = _evaluate(config, parent, stage.name, tags)
    else:
        config = dataclasses.replace(config, register=False)
        hooks = Hooks(stop_request=stop_request)
        delivered = child_run(stage.kind, config, parent=parent, name=stage.name, hooks=hooks, tags=tags)
        if delivered is None:
            raise StoppedError
        run_id = delivered.run_id
    finished = Finished(run_id, time.monotonic() - started if is_new else None)
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
