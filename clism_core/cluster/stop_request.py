"""Actor that holds stop requests, apart from all that its process does not need: it starts with every training."""

import asyncio
from typing import Any

from ray.actor import ActorHandle
from ray.util.placement_group import PlacementGroup


class StopRequest:
    """Actor that holds the stop request of one or several runs; one worker of each run waits for it.

    Ray repeats calls that fail, or whose answers are lost: each call can be made twice.
    """

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        self._listeners: dict[str, ActorHandle[Any]] = {}
        self._acknowledged: set[str] = set()
        self._placement_groups: dict[str, PlacementGroup] = {}

    async def request(self) -> None:
        """Ask the runs to stop."""
        self._requested.set()

    async def is_requested(self) -> bool:
        """Return whether the runs were asked to stop."""
        return self._requested.is_set()

    async def listen(self, run: str, worker: "ActorHandle[Any]") -> None:
        """Register `worker` as the listener of `run`, and return once the run is asked to stop."""
        self._listeners[run] = worker
        await self._requested.wait()

    async def listener(self, run: str) -> "ActorHandle[Any] | None":
        """Return the latest listener of `run`; None if there was none yet."""
        return self._listeners.get(run)

    async def note_workers(self, run: str, placement_group: PlacementGroup) -> None:
        """Note the placement group of the workers of `run`."""
        self._placement_groups[run] = placement_group

    async def workers(self, run: str) -> PlacementGroup | None:
        """Return the placement group of the latest workers of `run`; None if there is none."""
        return self._placement_groups.get(run)

    async def forget_workers(self, run: str) -> None:
        """Forget the placement group of the latest workers of `run`, which has been removed."""
        self._placement_groups.pop(run, None)

    async def acknowledge(self, run: str) -> None:
        """Record that the workers of `run` have agreed to stop: they save, and exit before the run ends."""
        self._acknowledged.add(run)

    async def is_acknowledged(self, run: str) -> bool:
        """Return whether the workers of `run` have agreed to stop."""
        return run in self._acknowledged
