"""Points of an MLflow run: sent in the background, and kept in the run's output folder while the server is unreachable.

A run has one point per metric and step, also after restarts. Two facts ensure it:

- At a checkpoint, all points up to it are on the server or in the output folder; those after it come again.
- A process sends its points in order, so that the last step of a metric on the server tells which ones it has. A point
  that comes again is thus omitted: the first one is kept. One that is sent again, after an answer was lost, is equal
  in all its fields, and MLflow stores equal points once.
"""

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import MAX_METRICS_PER_BATCH

from clism_core.tracking.server import TrackingUnavailableError, server_problem
from clism_core.utils import storage
from clism_core.utils.errors import InputError, failure_message

logger = logging.getLogger(__name__)

UNSENT = "unsent_metrics"
"""Folder below the output with the points that wait for the server: `RUN_ID.jsonl`, one point a line."""
POINTS, STATUS = ".jsonl", ".status"
BUFFER_SECONDS = 2.0
"""Time for which points are collected into one transaction: a step of the demo is as fast as a write to SQLite."""
ATTEMPT_SECONDS, MAX_RETRY_SECONDS, POLL = 10.0, 15.0, 1.0
_RETRIED_STATUSES = (408, 429)


@dataclass(frozen=True)
class Point:
    """Value of a metric at a step."""

    metric: str
    value: float
    step: int
    time: int
    """Milliseconds since 1970, as MLflow has them."""
    replaces: bool = False
    """Whether it replaces the metric's value instead of adding to its curve."""


Latest = dict[str, tuple[int, float]]
"""Step and value of the last point of each metric on the server."""


def new_points(points: Iterable[Point], latest: Latest) -> list[Point]:
    """Return the points that the server lacks, and add them to `latest`."""
    new = []
    for point in points:
        step, value = latest.get(point.metric, (-1, float("nan")))
        if (value != point.value) if point.replaces else (point.step > step):
            latest[point.metric] = point.step, point.value
            new.append(point)
    return new


def read_points(file: str) -> list[Point]:
    """Return the points in a file; an empty list if it does not exist, as after they were sent.

    Raises:
        InputError: if a line is damaged; names it.
    """
    try:
        lines = storage.read_bytes(file).splitlines()
    except FileNotFoundError:
        return []
    points = []
    for number, line in enumerate(lines, start=1):
        try:
            points.append(Point(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{file}: line {number} holds no point of a metric ({error}); remove the line, or the file if its "
                "metrics need not reach MLflow"
            ) from error
    return points


def unsent_files(output: str, *, recursive: bool = False) -> dict[str, list[str]]:
    """Return the files of unsent points, and of the statuses of runs, by MLflow run.

    Args:
        output: output folder of a job.
        recursive: whether to include the folders of runs below it, such as those of a sweep's trials.
    """
    files = storage.list_files(output if recursive else storage.join(output, UNSENT))
    runs: dict[str, list[str]] = {}
    for file in files:
        *_, folder, name = file.split("/")
        if folder == UNSENT and name.endswith((POINTS, STATUS)) and not name.startswith("."):
            runs.setdefault(name.partition(".")[0], []).append(file)
    return runs


def keep_status(output: str, run_id: str, status: str) -> bool:
    """Keep the status with which a run has ended for when the server is back; return whether there was none yet."""
    if not output:
        return True
    file = storage.join(output, UNSENT, f"{run_id}{STATUS}")
    if storage.exists(file):
        return False
    storage.write_bytes(file, status.encode())
    return True


def take_status(output: str, run_id: str) -> str:
    """Return the kept status of a run, and delete it; an empty string if there is none."""
    file = storage.join(output, UNSENT, f"{run_id}{STATUS}")
    if not output or not storage.exists(file):
        return ""
    status = storage.read_bytes(file).decode()
    delete_file(file)
    return status


def delete_file(file: str) -> None:
    """Delete a file, and its folder if it becomes empty."""
    storage.delete(file)
    folder = file.rpartition("/")[0]
    if storage.is_local(folder) and not storage.list_files(folder):
        storage.delete(folder)


class PointSender:
    """Sender of one process's points of a run, in a thread that ends when no point waits.

    Args:
        uri: tracking URI.
        run_id: id of the MLflow run.
        output: output folder of the run's job, where points are kept; empty: nowhere.
        writer: name of the process among those that log to the run at the same time. Points that a lost process with
            this name has kept are sent first.
    """

    def __init__(self, uri: str, run_id: str, output: str, writer: str):
        self._uri = uri
        self._run_id = run_id
        self._output = storage.absolute(output) if output else ""
        self._file = storage.join(self._output, UNSENT, f"{run_id}{writer and '.'}{writer}{POINTS}") if output else ""
        self._pending: list[Point] = []
        self._sending: list[Point] = []
        self._files = set[str]()
        """Files whose points are pending here; deleted when they are sent, or kept in the file of this process."""
        self._latest: Latest | None = None
        self._gave_up = False
        self._problem, self._is_rejected, self._failures = "", False, 0
        self._last_sent = 0.0
        self._thread: threading.Thread | None = None
        self._state = threading.Condition()
        self._hurry = threading.Event()
        self._keeping = threading.Lock()
        if output and storage.exists(self._file):
            self._adopt([self._file])

    def add(self, points: Iterable[Point]) -> None:
        """Queue points, and return immediately."""
        with self._state:
            self._pending.extend(points)
            self._start()

    def waiting(self) -> list[Point]:
        """Return the points that are not known to be on the server."""
        with self._state:
            return self._sending + self._pending

    def keep(self) -> None:
        """Write all waiting points into the output folder, so that they survive this process."""
        if not self._output:
            return
        with self._keeping:
            points, files = self.waiting(), self._files
            if points:
                lines = "".join(json.dumps(dataclasses.asdict(point)) + "\n" for point in points)
                storage.write_bytes(self._file, lines.encode())
            kept = {self._file} if points else set()
            for file in files - kept:
                delete_file(file)
            self._files = kept

    def flush(self, timeout: float) -> str:
        """Send all points of the run, including those kept by other processes, which must have ended.

        Returns:
            An empty string once they are sent and the server answers. Otherwise the reason, after no point was
            accepted for `timeout` seconds, or after one attempt if they are rejected or an earlier call has waited in
            vain; the points are then kept.
        """
        if self._output:
            files = unsent_files(self._output).get(self._run_id, [])
            self._adopt([file for file in files if file.endswith(POINTS)])
        started, failures = time.monotonic(), self._failures
        timeout = 0.0 if self._gave_up else timeout
        self._is_rejected = False
        while True:
            problem = self._push() or server_problem(self._uri)
            waited = time.monotonic() - max(started, self._last_sent)
            has_tried = self._failures > failures or not self.waiting()
            patience = timeout if has_tried else timeout + ATTEMPT_SECONDS
            if problem and not self._is_rejected and waited < patience:
                time.sleep(POLL)
                continue
            self._gave_up = bool(problem)
            if problem:
                self.keep()
            return problem

    def _adopt(self, files: Sequence[str]) -> None:
        """Queue the points in files, each metric's in the order of its steps."""
        kept = [point for file in files for point in read_points(file)]
        with self._keeping, self._state:
            known = {*self._pending, *self._sending}
            new = [point for point in kept if point not in known]
            self._pending = sorted([*new, *self._pending], key=lambda point: (point.step, point.time))
            self._files.update(files)

    def _push(self) -> str:
        """Send what waits without delay; return why it was not sent, empty if nothing waits."""
        with self._state:
            if self._pending or self._files:
                self._start()
            if self._thread is not None:
                self._hurry.set()
            if self._state.wait_for(lambda: self._thread is None, POLL):
                return ""
            return self._problem or f"MLflow at {self._uri} has not accepted all metrics yet"

    def _start(self) -> None:
        if self._thread is None:
            # A daemon thread, so that a process whose server is unreachable can end.
            self._thread = threading.Thread(target=self._send_all, name="points", daemon=True)
            self._thread.start()

    def _send_all(self) -> None:
        delay = BUFFER_SECONDS
        while True:
            self._hurry.wait(delay)
            with self._state:
                self._sending = self._pending[:MAX_METRICS_PER_BATCH]
                self._pending = self._pending[MAX_METRICS_PER_BATCH:]
            try:
                if self._sending:
                    self._send(self._sending)
                elif self._files:
                    self.keep()  # deletes them
            except Exception as error:  # of any kind: stores and drivers of databases raise their own
                self._note(error)
                delay = min(2 * delay, MAX_RETRY_SECONDS)
                with self._state:
                    self._pending, self._sending = self._sending + self._pending, []
                    self._hurry.clear()
                continue
            delay = BUFFER_SECONDS
            with self._state:
                self._sending = []
                if not self._pending and not self._files:
                    self._thread = None
                    self._hurry.clear()
                    self._state.notify_all()
                    return

    def _send(self, points: Sequence[Point]) -> None:
        if problem := server_problem(self._uri):
            raise TrackingUnavailableError(problem)
        client = tracking_client(self._uri)
        if self._latest is None:
            logged = client.get_run(self._run_id).data.to_proto().metrics
            self._latest = {metric.key: (metric.step, metric.value) for metric in logged}
        latest = dict(self._latest)
        new = [Metric(each.metric, each.value, each.time, each.step) for each in new_points(points, latest)]
        if new:
            client.log_batch(self._run_id, metrics=new)
        self._latest = latest
        if self._problem:
            logger.warning("MLflow at %s accepts metrics again", self._uri)
        self._problem, self._is_rejected, self._last_sent = "", False, time.monotonic()

    def _note(self, error: Exception) -> None:
        status = error.get_http_status_code() if isinstance(error, MlflowException) else 0
        self._failures += 1
        self._is_rejected = 400 <= status < 500 and status not in _RETRIED_STATUSES
        known = isinstance(error, TrackingUnavailableError)
        problem = str(error) if known else f"MLflow at {self._uri} did not accept metrics ({failure_message(error)})"
        if not self._problem:
            logger.warning("%s; metrics wait meanwhile", problem)
        self._problem = problem


@lru_cache
def tracking_client(uri: str) -> MlflowClient:
    """Return the client of this process for a tracking URI."""
    return MlflowClient(uri)
