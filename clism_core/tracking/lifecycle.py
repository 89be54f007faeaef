"""Start and end of the MLflow run of a job, found by the job's output folder."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags

from clism_core.tracking.points import read_points, take_status, tracking_client, unsent_files
from clism_core.tracking.run import TrackedRun
from clism_core.tracking.server import TrackingUnavailableError, server_problem, wait_for_server
from clism_core.utils.errors import InputError
from clism_core.utils.home import SQLITE, home, tracking_uri

logger = logging.getLogger(__name__)

EXPERIMENT = "clism"
JOB_TAG, OUTPUT_TAG = "clism.job", "clism.output"


@contextmanager
def tracked_run(
    *,
    job: str,
    output: str,
    config: Mapping[str, Any],
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
    resumes: bool = True,
) -> Iterator[TrackedRun]:
    """Start a run like `start_run`, log its config, environment and system metrics, and end it after the block.

    Its status becomes `FINISHED`, `FAILED` after an exception, or `KILLED` after Ctrl-C, unless the block has ended it.

    Raises:
        TrackingUnavailableError: if the tracking server becomes unreachable and the block needs it.
    """
    run = start_run(job=job, output=output, name=name, tags=tags, resumes=resumes)
    status = "FAILED"
    try:
        with run.system_metrics():
            run.log_config(config)
            run.log_environment()
            yield run
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    except MlflowException as error:
        if problem := server_problem(run.tracking_uri):
            raise TrackingUnavailableError(f"{run.unavailable(problem)}; the same command resumes the job") from error
        raise
    finally:
        run.finish(status)


def start_run(
    *, job: str, output: str, name: str | None = None, tags: Mapping[str, str] | None = None, resumes: bool = True
) -> TrackedRun:
    """Start the run of a job in the experiment `clism` of the current tracking store.

    A job that is started again with the same output resumes its MLflow run, unless that run is finished. What earlier
    starts could not send is sent first.

    Args:
        job: Name of the job, such as `pretrain`.
        output: Absolute path of the job's output folder, by which its run is found.
        name: Name of the run; None: the name of the output folder.
        tags: Additional tags.
        resumes: Whether the job continues what is in the output folder. Otherwise, as after the folder was deleted, an
            unfinished run is ended and keeps its curves, and the job has a run of its own.

    Raises:
        TrackingUnavailableError: if the tracking server is unreachable.
    """
    run_tags = {JOB_TAG: job, OUTPUT_TAG: output, **(tags or {})}
    uri = tracking_uri()
    wait_for_server(uri)
    client = tracking_client(uri)
    experiment_id = _experiment_id(client, uri)
    try:
        send_unsent(output)
    except TrackingUnavailableError as error:  # they stay, and this run is logged
        logger.warning("%s", error)
    run = unfinished_run(output)
    if run is not None and not resumes:
        run.finish("KILLED")
        client.delete_tag(run.run_id, OUTPUT_TAG)
    elif run is not None:
        run.reopen()
        run.set_tags(run_tags)
        logger.info("resuming MLflow run %s", run.run_id)
        return run
    created = client.create_run(experiment_id, tags=resolve_tags(run_tags), run_name=name or Path(output).name)
    return _tracked(uri, created, output)


def unfinished_run(output: str) -> TrackedRun | None:
    """Return the run of the job with this absolute output folder; None if there is none, or it is finished."""
    uri = tracking_uri()
    client = tracking_client(uri)
    unfinished = client.search_runs(
        [_experiment_id(client, uri)],
        f"{tag_filter(OUTPUT_TAG, output)} AND attributes.status != 'FINISHED'",
        max_results=1,
    )
    return _tracked(uri, unfinished[0], output) if unfinished else None


def tag_filter(tag: str, value: str) -> str:
    """Return the filter of MLflow's search for runs with this value of a tag.

    Raises:
        InputError: if the value has quotes of both kinds, for which MLflow has no filter.
    """
    if "'" in value and '"' in value:
        raise InputError(f"{value}: MLflow cannot search for a name with both ' and \"; rename it")
    quote = '"' if "'" in value else "'"
    return f"tags.`{tag}` = {quote}{value}{quote}"


def send_unsent(output: str, *, recursive: bool = False) -> dict[str, int]:
    """Send the points that ended processes of a job have kept, and end the MLflow runs that they could not end.

    Args:
        output: Output folder of the job.
        recursive: Whether to include the runs in folders below it, such as those of a sweep's trials.

    Returns:
        The number of points by run id.

    Raises:
        TrackingUnavailableError: if the server is unreachable or does not know a run, such as one of another server.
    """
    sent = {}
    for run_id, files in unsent_files(output, recursive=recursive).items():
        folder = files[0].rsplit("/", 2)[0]
        run = TrackedRun(tracking_uri(), run_id, folder)
        points = sum(len(read_points(file)) for file in files if file.endswith(".jsonl"))
        run.flush()
        if status := take_status(folder, run_id):
            run.client.set_terminated(run_id, status)
        sent[run_id] = points
    return sent


def end_lost_run(output: str, status: str) -> None:
    """End the run of the job with this absolute output folder, if its process was lost before it ended the run."""
    if problem := server_problem(tracking_uri()):
        logger.warning("the MLflow run of %s is not ended: %s", output, problem)
        return
    try:
        run = unfinished_run(output)
        if run is not None and run.status() == "RUNNING":
            run.finish(status)
    except MlflowException:
        logger.warning("the MLflow run of %s could not be ended", output, exc_info=True)


def _tracked(uri: str, run: Run, output: str) -> TrackedRun:
    return TrackedRun(uri, run.info.run_id, output, run.info.start_time / 1000)


def _experiment_id(client: MlflowClient, uri: str) -> str:
    """Return the id of the experiment, creating it if necessary.

    Its artefacts are stored beside the database; MLflow would store them in the current folder.
    """
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return str(experiment.experiment_id)
    if uri.startswith("http"):  # a server has its own location for artefacts
        return client.create_experiment(EXPERIMENT)
    folder = Path(uri.removeprefix(SQLITE)).parent if uri.startswith(SQLITE) else home()
    return client.create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").as_uri())
