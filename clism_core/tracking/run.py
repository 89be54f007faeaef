"""An MLflow run, referenced by its id instead of MLflow's global state."""

import json
import logging
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Param, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

from clism_core.tracking.data_sets import LoggedDataSet, dataset_input
from clism_core.tracking.environment import environment
from clism_core.tracking.points import (
    UNSENT,
    Point,
    PointSender,
    keep_status,
    read_points,
    take_status,
    tracking_client,
    unsent_files,
)
from clism_core.tracking.server import TrackingUnavailableError, server_problem, tracking_timeout, wait_for_server
from clism_core.tracking.system_metrics import SystemMetrics
from clism_core.utils.home import SQLITE, home, tracking_uri
from clism_core.utils.storage import join

logger = logging.getLogger(__name__)

EXPERIMENT = "clism"
OUTPUT_TAG = "clism.output"
_INVALID_IN_NAMES = re.compile(r"[^\w.\- :]")


@dataclass(frozen=True)
class TrackedRun:
    """MLflow run; picklable, so that a driver can pass it to its workers.

    Metrics are sent in the background. A worker process calls `keep_points` at each checkpoint and at its end, and the
    driver, whose `flush` sends what is left, after its workers have ended.
    """

    tracking_uri: str
    """Absolute URI of the tracking store."""

    run_id: str
    """Id assigned by MLflow."""

    output: str = ""
    """Output folder of the job, where points are kept while the server is unreachable; empty: nowhere."""

    created: float = 0.0
    """When the run was created, in seconds since 1970."""

    writer: str = ""
    """Name of a process among those that log to the run at the same time; empty for the driver."""

    @property
    def client(self) -> MlflowClient:
        """Client of this process for the run's tracking store."""
        return tracking_client(self.tracking_uri)

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Log a resolved config, nested dictionaries, as parameters such as `model.hidden_size` and as `config.yaml`.

        Characters that MLflow does not allow in names, such as brackets, are replaced by `_` in the parameters' names.
        Parameters cannot change: a resumed run keeps its first values, with a warning; `config.yaml` is the latest.
        """
        values = {valid_name(name): _as_text(value) for name, value in flatten(config).items()}
        logged = self.client.get_run(self.run_id).data.params
        changed = sorted(
            name for name in values if name in logged and values[name][:MAX_PARAM_VAL_LENGTH] != logged[name]
        )
        if changed:
            logger.warning("MLflow keeps the first values of changed parameters: %s", ", ".join(changed))
        params = [Param(name, value) for name, value in values.items() if name not in logged]
        self.client.log_batch(self.run_id, params=params)
        self.client.log_text(
            self.run_id, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), "config.yaml"
        )

    def log_environment(self) -> None:
        """Log `environment.json`: Python, platform, package versions, GPUs and, if Ray is connected, the cluster."""
        self.client.log_dict(self.run_id, environment(), "environment.json")

    def log_dataset(
        self, *, folder: str, fingerprint: str, profile: Mapping[str, Any], context: str = "training"
    ) -> None:
        """Log the data set that the run uses.

        Args:
            folder: Folder of the prepared data.
            fingerprint: Fingerprint in its manifest, also stored untruncated as the tag `clism.data_fingerprint`.
            profile: Summary shown by MLflow, such as the counts per language pair.
            context: Use of the data set in the run.
        """
        self.log_datasets([LoggedDataSet(folder=folder, fingerprint=fingerprint, profile=profile, context=context)])

    def log_datasets(self, data_sets: Sequence[LoggedDataSet]) -> None:
        """Log all data sets that the run uses, each with its weight as the tag `clism.weight`.

        The run's tag `clism.data_fingerprint` contains their untruncated fingerprints, separated by commas.
        """
        inputs = [dataset_input(data_set) for data_set in data_sets]
        try:
            self.client.log_inputs(self.run_id, datasets=inputs)
        except MlflowException:  # a concurrent run has just logged the same data set, so that it exists now
            self.client.log_inputs(self.run_id, datasets=inputs)
        fingerprints = ",".join(data_set.fingerprint for data_set in data_sets)
        self.client.set_tag(self.run_id, "clism.data_fingerprint", fingerprints)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Add a point to the curve of each metric, and return immediately; the points are sent in the background.

        A curve has one point per step, in increasing order: a step that is trained again keeps its first one.
        """
        now = _now()
        _sender(self).add(Point(name, float(value), step, now) for name, value in metrics.items())

    def log_summary(self, metrics: Mapping[str, float]) -> None:
        """Set metrics that have no curve, such as counts and final scores, like `log_metrics`; the last value holds."""
        now = _now()
        _sender(self).add(Point(name, float(value), 0, now, replaces=True) for name, value in metrics.items())

    def keep_points(self) -> None:
        """Write the points that still wait for the server into the output folder, so that they survive this process."""
        _sender(self).keep()

    def flush(self) -> None:
        """Send all points of the run, including those that its ended processes have kept, and wait for it.

        Raises:
            TrackingUnavailableError: if the server accepts none for `CLISM_TRACKING_TIMEOUT` seconds. The points are
                then kept in the output folder.
        """
        problem = _sender(self).flush(tracking_timeout())
        if problem:
            raise self.unavailable(problem)

    def unavailable(self, problem: str) -> TrackingUnavailableError:
        """Return the error that says what waits for a server with this problem, and how to send it."""
        waiting = len(_sender(self).waiting())
        if not waiting:
            return TrackingUnavailableError(problem)
        if not self.output:
            return TrackingUnavailableError(f"{problem}; {waiting} metric value(s) are lost")
        return TrackingUnavailableError(
            f"{problem}; {waiting} metric value(s) of run {self.run_id} wait in {join(self.output, UNSENT)}. Once the "
            f"server in MLFLOW_TRACKING_URI accepts them, `clism sync --output {self.output}` sends them, and so does "
            "the next start of the job"
        )

    @contextmanager
    def system_metrics(self, *, node: str = "") -> Iterator[None]:
        """Log the use of this machine during the block, as `system/...` or `system/NODE/...`."""
        run = replace(self, writer=node) if node else self
        monitor = SystemMetrics(
            self.run_id, created=self.created, log=lambda metrics, step: run.log_metrics(metrics, step=step), node=node
        )
        monitor.start()  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            monitor.finish()
            run.keep_points()

    def log_figure(self, figure: Figure, path: str) -> None:
        """Log a figure as the artefact `path`, such as `plots/loss.png`."""
        self.client.log_figure(self.run_id, figure, path)

    def log_artifact(self, file: Path) -> None:
        """Log a file as an artefact."""
        self.client.log_artifact(self.run_id, str(file))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        for name, value in tags.items():
            self.client.set_tag(self.run_id, name, value)

    def status(self) -> str:
        """Return `RUNNING`, `FINISHED`, `FAILED` or `KILLED`."""
        return str(self.client.get_run(self.run_id).info.status)

    def finish(self, status: str = "FINISHED") -> None:
        """Send all points and end the run, unless it has ended. With any status except `FINISHED`, `start_run` resumes
        it.

        If the server is unreachable, a warning says so, and `send_unsent` ends the run later.
        """
        try:
            self.flush()
            status = take_status(self.output, self.run_id) or status
            if self.status() == "RUNNING":
                self.client.set_terminated(self.run_id, status)
        except (TrackingUnavailableError, MlflowException) as error:
            if keep_status(self.output, self.run_id, status):
                logger.warning("MLflow run %s is not ended yet: %s", self.run_id, error)

    def reopen(self) -> None:
        """Reopen the finished run, so that a job with the same output resumes it."""
        take_status(self.output, self.run_id)
        self.client.update_run(self.run_id, status="RUNNING")


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
    run_tags = {"clism.job": job, OUTPUT_TAG: output, **(tags or {})}
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
    quote = '"' if "'" in output else "'"  # MLflow's filters have no escapes
    unfinished = client.search_runs(
        [_experiment_id(client, uri)],
        f"tags.`{OUTPUT_TAG}` = {quote}{output}{quote} AND attributes.status != 'FINISHED'",
        max_results=1,
    )
    return _tracked(uri, unfinished[0], output) if unfinished else None


def _tracked(uri: str, run: Run, output: str) -> TrackedRun:
    return TrackedRun(uri, run.info.run_id, output, run.info.start_time / 1000)


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


def valid_name(text: str) -> str:
    """Return `text` with `_` for each character that MLflow does not allow in a component of a name, such as &."""
    return _INVALID_IN_NAMES.sub("_", text)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested dictionaries into one with dotted names; lists remain values."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def ui_command(uri: str) -> str:
    """Return the command that starts MLflow's UI on this machine only; for a tracking server, its address."""
    if uri.startswith("http"):
        return uri
    return f"{Path(sys.executable).with_name('mlflow')} ui --backend-store-uri {uri} --host 127.0.0.1"


def _now() -> int:
    return int(time.time() * 1000)


@cache
def _sender(run: TrackedRun) -> PointSender:
    return PointSender(run.tracking_uri, run.run_id, run.output, run.writer)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


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
