"""A stop request: from a signal at the driver to all workers, agreed on at a step boundary."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar, cast

import ray
import torch
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError

from clism_core.cluster.collectives import rank, sum_over_workers
from clism_core.cluster.nodes import on_this_node

logger = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")

POLL = 0.5
"""Seconds between looks at whether a run is done, or was asked to stop."""
ANSWER = 10.0
"""Seconds that a worker has to say that it is there."""
MOST_LISTENERS = 10_000


class UnheardError(Exception):
    """A run was asked to stop while it has no workers, so that there is nothing to save but what its last checkpoint
    holds."""


class StopRequest:
    """Holds whether one or several runs shall stop, and lets one worker of each wait for it."""

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        self._listeners: dict[str, ActorHandle[Any]] = {}
        self._heard: set[str] = set()

    async def request(self) -> None:
        """Ask the runs to stop."""
        self._requested.set()

    async def is_requested(self) -> bool:
        """Say whether the runs were asked to stop."""
        return self._requested.is_set()

    async def listen(self, run: str, worker: "ActorHandle[Any]") -> None:
        """Return when `run` was asked to stop, to its `worker` that listens from now on."""
        self._listeners[run] = worker
        await self._requested.wait()

    async def listener(self, run: str) -> "ActorHandle[Any] | None":
        """Return the worker of `run` that has listened last; None before there is one."""
        return self._listeners.get(run)

    async def hear(self, run: str) -> None:
        """Note that the workers of `run` have agreed to stop: they save, and are gone before the run has ended."""
        self._heard.add(run)

    async def is_heard(self, run: str) -> bool:
        """Say whether the workers of `run` have agreed to stop."""
        return run in self._heard


def start_stop_request() -> "ActorHandle[StopRequest]":
    """Start the actor that holds the request of runs, on the driver's node: it shall live as long as the driver."""
    # Every training of a study listens until its end, each start of its workers anew.
    options: dict[str, Any] = {"num_cpus": 0, "max_concurrency": MOST_LISTENERS, "scheduling_strategy": on_this_node()}
    handle: Any = ray.remote(StopRequest).options(**options).remote()
    return cast("ActorHandle[StopRequest]", handle)


class StopPoll:
    """A worker's view of a `StopRequest`: rank 0 listens, and all workers agree."""

    def __init__(self, request: "ActorHandle[Any]", device: torch.device, *, run: str):
        self._request: Any = request
        self._device = device
        self._run = run
        self._asked: Any = None
        if rank() == 0:
            self._asked = request.listen.remote(run, ray.get_runtime_context().current_actor)

    def __call__(self) -> bool:
        """Say whether to stop now, the same on all workers (a collective)."""
        asked = self._asked is not None and bool(ray.wait([self._asked], timeout=0)[0])
        (votes,) = sum_over_workers(torch.tensor([float(asked)], device=self._device))
        if asked:
            ray.get(self._request.hear.remote(self._run))
        return votes > 0


def run_stoppably(function: Callable[[], ResultT], request: Any, *, run: str) -> ResultT:
    """Run `function`, which trains until it is done or its workers hear the request.

    It runs in a thread: Ray Train handles signals only where it runs in the main thread, and then by aborting.

    Args:
        function: does what `run` is.
        request: a `StopRequest`.
        run: by which its workers are known to it.

    Raises:
        UnheardError: if it is asked to stop while no worker is there to hear it; what waits for nodes would wait on.
    """
    future: Future[ResultT] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # handed on
            future.set_exception(error)

    threading.Thread(target=call, name="train", daemon=True).start()
    while not future.done():
        wait([future], timeout=POLL)  # wakes up for signals, too
        if ray.get(request.is_requested.remote()) and not _is_heard(request, run) and not future.done():
            raise UnheardError
    return future.result()


def _is_heard(request: Any, run: str) -> bool:
    if ray.get(request.is_heard.remote(run)):
        return True
    worker = ray.get(request.listener.remote(run))
    try:
        return worker is not None and ray.get(worker.__ray_ready__.remote(), timeout=ANSWER) is not None
    except GetTimeoutError:  # it is busy
        return True
    except RayActorError:  # it is lost, and another one is yet to come
        return False


@contextmanager
def stop_signals(ask: Callable[[], None], consequence: str) -> Iterator[list[int]]:
    """Let SIGINT and SIGTERM call `ask` and say the `consequence`; a second SIGINT gives up waiting.

    Yields the signals that have come, for the main thread only.
    """
    came: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and came:
            raise KeyboardInterrupt
        came.append(number)
        logger.warning("%s: %s", signal.Signals(number).name, consequence)
        ask()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
