"""Notices that nodes are about to be preempted, and the checkpoints that are due for them."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from ray.train import PreemptionInfo

from clism_core.cluster.ray_internals import DEFAULT_NOTICE, preemption_notice

logger = logging.getLogger(__name__)

CLOCK_DIFFERENCE = 5.0
"""Seconds by which the clocks of two nodes may differ."""
UPLOAD_MARGIN = 2.0
"""Factor by which a checkpoint may take longer than the one before."""


class PreemptionNotices:
    """Notices of preemption that a worker has received.

    A checkpoint is due as soon as a notice arrives, since the node may go early, and again as late as a checkpoint can
    be completed before the deadline, at which Ray Train restarts the workers.

    Args:
        read: returns the latest notice, which includes earlier ones; None without a notice.
        clock: returns the UNIX time in seconds.
    """

    def __init__(
        self,
        read: Callable[[], PreemptionInfo | None] = preemption_notice,
        clock: Callable[[], float] = time.time,
    ):
        self._read = read
        self._clock = clock
        self._asked_at = clock()
        self._nodes: set[str] = set()
        self._deadline = float("inf")
        self._is_last_due = False

    def is_save_due(self, save_seconds: float) -> bool:
        """Return whether to save a checkpoint now; to be called once per step.

        Args:
            save_seconds: time that the latest checkpoint took until it was complete; 0 if there was none.
        """
        now = self._clock()
        step_seconds, self._asked_at = now - self._asked_at, now
        notice = self._read()
        if notice is None:
            return False
        new = [node for node in notice.preempted_node_ids if node not in self._nodes]
        if new:
            self._receive(notice, new, now)
        too_late_at_next_step = now + step_seconds + UPLOAD_MARGIN * save_seconds + CLOCK_DIFFERENCE >= self._deadline
        is_last = self._is_last_due and too_late_at_next_step
        if is_last:
            self._is_last_due = False
        return bool(new) or is_last

    def _receive(self, notice: PreemptionInfo, new: list[str], now: float) -> None:
        self._nodes.update(new)
        announced = notice.deadline_ms
        self._deadline = min(self._deadline, now + DEFAULT_NOTICE if announced is None else announced / 1000)
        self._is_last_due = True
        ranks = sorted(rank for node in new for rank in notice.preempted_node_to_ranks[node])
        logger.warning(
            "%s with worker(s) %s will be preempted %s: saving a checkpoint now and shortly before, and training on",
            *(", ".join(f"node {node}" for node in new), ", ".join(map(str, ranks)), _when(announced, now)),
        )


def _when(deadline_ms: int | None, now: float) -> str:
    if deadline_ms is None:
        return f"at a time that is not announced (Ray Train restarts the workers in {DEFAULT_NOTICE:.0f} seconds)"
    time_of_day = datetime.fromtimestamp(deadline_ms / 1000, tz=UTC).strftime("%H:%M:%S UTC")
    return f"at {time_of_day}, in {deadline_ms / 1000 - now:.0f} seconds"
