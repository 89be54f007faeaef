"""Graceful stop: from a signal at the driver to all workers, which agree on a step boundary."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar, cast

import ray
import torch
from ray.actor import ActorHandle
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayActorError
from ray.util import get_current_placement_group, remove_placement_group

from clism_core.cluster.collectives import rank, sum_over_workers
from clism_core.cluster.nodes import on_this_node
from clism_core.cluster.preemption import PreemptionNotices
from clism_core.cluster.stop_request import StopRequest

logger = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")

POLL = 0.5
"""Interval in seconds between checks whether a run has finished or was asked to stop."""
ANSWER_TIMEOUT = 10.0
"""Seconds that a worker has to answer that it is alive."""
MAX_LISTENERS = 10_000
_received: list[int] = []
"""Signals that asked this process to stop, in order."""


class NoWorkersError(Exception):
    """Stop request for a run without workers, which has nothing to save beyond its last checkpoint."""


def start_stop_request() -> "ActorHandle[StopRequest]":
    """Start the actor that holds the stop request, on the driver's node, so that it lives as long as the driver."""
    # Every training run of a study keeps a listener until the study ends, one for each start of its workers.
    options: dict[str, Any] = {"num_cpus": 0, "max_concurrency": MAX_LISTENERS, "max_task_retries": -1}
    handle: Any = ray.remote(StopRequest).options(**options, scheduling_strategy=on_this_node()).remote()
    return cast("ActorHandle[StopRequest]", handle)


def note_workers(request: Any, *, run: str) -> None:
    """Note, in a worker of Ray Train, its placement group in a `StopRequest`, for `release_workers`."""
    placement_group = get_current_placement_group()
    if placement_group is not None:
        ray.get(request.note_workers.remote(run, placement_group))


def release_workers(request: Any, *, run: str) -> None:
    """Free the resources of workers whose controller was lost; nothing happens if they have ended as usual.

    Ray keeps a placement group until both its creator and the job have ended. Ray Train removes that of a lost
    controller only in clusters with a dashboard.
    """
    try:
        placement_group = ray.get(request.workers.remote(run))
        if placement_group is not None:
            remove_placement_group(placement_group)
            ray.get(request.forget_workers.remote(run))
    except RayActorError:  # the request was lost with its node, which ends the run
        return


@dataclass(frozen=True)
class Requests:
    """What the workers have agreed to do at a step boundary."""

    stop: bool = False
    """Save a checkpoint, and end."""
    save: bool = False
    """Save a checkpoint, and continue."""


class RequestPoll:
    """A worker's view of a `StopRequest` and of notices of preemption: rank 0 listens, and all workers agree.

    Args:
        stop_request: a `StopRequest`.
        notices: notices of preemption; only those of rank 0 count, for each worker receives all of them.
        device: device of the workers' collectives.
        run: name of the run in `stop_request`.
    """

    def __init__(self, stop_request: "ActorHandle[Any]", notices: PreemptionNotices, device: torch.device, *, run: str):
        self._stop_request: Any = stop_request
        self._notices = notices
        self._device = device
        self._run = run
        self._requested: Any = None
        if rank() == 0:
            self._requested = stop_request.listen.remote(run, ray.get_runtime_context().current_actor)

    def __call__(self, save_seconds: float) -> Requests:
        """Return what to do now, the same on all workers (a collective).

        Args:
            save_seconds: time that the latest checkpoint took until it was complete; 0 if there was none.
        """
        stop = self._requested is not None and bool(ray.wait([self._requested], timeout=0)[0])
        save = rank() == 0 and self._notices.is_save_due(save_seconds)
        votes = sum_over_workers(torch.tensor([float(stop), float(save)], device=self._device))
        if stop:
            ray.get(self._stop_request.acknowledge.remote(self._run))
        return Requests(*(vote > 0 for vote in votes))


def run_until_stopped(function: Callable[[], ResultT], request: Any, *, run: str) -> ResultT:
    """Call `function`, which trains until it is finished or its workers receive the stop request.

    It runs in a thread, because in the main thread Ray Train handles signals itself, by aborting the run.

    Args:
        function: performs the run.
        request: a `StopRequest`.
        run: name of the run in `request`.

    Raises:
        NoWorkersError: if a stop is requested while the run has no worker to receive it; a run that waits for nodes
            would keep waiting.
    """
    future: Future[ResultT] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # raised by `future.result()`
            future.set_exception(error)

    threading.Thread(target=call, name="train", daemon=True).start()
    while not future.done():
        wait([future], timeout=POLL)  # wakes up for signals, too
        if ray.get(request.is_requested.remote()) and not _has_listener(request, run) and not future.done():
            raise NoWorkersError
    return future.result()


def _has_listener(request: Any, run: str) -> bool:
    if ray.get(request.is_acknowledged.remote(run)):
        return True
    worker = ray.get(request.listener.remote(run))
    try:
        return worker is not None and ray.get(worker.__ray_ready__.remote(), timeout=ANSWER_TIMEOUT) is not None
    except (GetTimeoutError, ActorUnavailableError):  # the worker is busy, or a call has failed
        return True
    except RayActorError:  # the worker is lost, and its replacement has not started yet
        return False


@contextmanager
def stop_signals(ask: Callable[[], None], consequence: str) -> Iterator[list[int]]:
    """On SIGINT and SIGTERM, call `ask` and log `consequence`; raise `KeyboardInterrupt` on a SIGINT after the first.

    Yields the list of signals received so far. For the main thread only.
    """
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and received:
            raise KeyboardInterrupt
        received.append(number)
        _received.append(number)
        logger.warning("%s: %s", signal.Signals(number).name, consequence)
        ask()

    with _handled_by(handle):
        yield received


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on SIGTERM, as on SIGINT, so that a stop request at any time leaves by the same way.

    Further SIGTERMs are ignored while the block ends. `stop_signals` takes precedence within its own block. For the
    main thread; in others, no signal arrives and nothing is done.
    """
    _received.clear()
    interrupted = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        _received.append(number)
        if number == signal.SIGINT or not interrupted:
            interrupted = True
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handled_by(handle):
        yield


def stop_signal(default: signal.Signals) -> signal.Signals:
    """Return the first signal that asked this process to stop since `interrupted_by_signals` began."""
    return signal.Signals(_received[0]) if _received else default


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
