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
from mlflow.entities import Param
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

from clism_core.tracking.data_sets import FINGERPRINTS_TAG, LoggedDataSet, dataset_input
from clism_core.tracking.environment import environment
from clism_core.tracking.points import (
    UNSENT,
    Point,
    PointSender,
    keep_status,
    take_status,
    tracking_client,
)
from clism_core.tracking.server import TrackingUnavailableError, tracking_timeout
from clism_core.tracking.system_metrics import SystemMetrics
from clism_core.utils.storage import join

logger = logging.getLogger(__name__)

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
        self.client.set_tag(self.run_id, FINGERPRINTS_TAG, fingerprints)

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
