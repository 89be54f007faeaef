"""When checkpoints are due because nodes are about to be preempted, without a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from ray.train import PreemptionInfo

from clism_core.cluster.preemption import PreemptionNotices


def notice(deadline: float | None, nodes: Mapping[str, list[int]]) -> PreemptionInfo:
    """Return a notice with a deadline in seconds."""
    return PreemptionInfo(None if deadline is None else round(deadline * 1000), dict(nodes))


@dataclass
class Worker:
    """A worker whose steps last 10 seconds, and what it is told after `received` seconds."""

    received: Mapping[int, PreemptionInfo]
    save_seconds: float = 0.0
    now: float = 0.0
    saved: list[float] = field(default_factory=list)

    def read(self) -> PreemptionInfo | None:
        return next((found for since, found in sorted(self.received.items(), reverse=True) if since <= self.now), None)

    def train(self, until: float) -> list[float]:
        """Return the times at which checkpoints were due."""
        notices = PreemptionNotices(self.read, lambda: self.now)
        while self.now < until:
            self.now += 10
            if notices.is_save_due(self.save_seconds):
                self.saved.append(self.now)
        return self.saved


@pytest.mark.parametrize(
    ("deadline", "save_seconds", "saved"),
    [
        # The next step would end 10 seconds later, and clocks may differ by 5.
        pytest.param(200, 0, [80, 190], id="in the last step that ends in time"),
        pytest.param(200, 20, [80, 150], id="early enough for a checkpoint of twice the time"),
        pytest.param(195, 0, [80, 180], id="a step earlier if the next one might end too late"),
        pytest.param(95, 0, [80], id="once if there is no time for another"),
        pytest.param(70, 0, [80], id="once if the notice is late"),
        pytest.param(None, 0, [80, 190], id="two minutes after a notice without a deadline"),
    ],
)
def test_checkpoints_are_due_at_a_notice_and_before_its_deadline(
    deadline: float | None, save_seconds: float, saved: list[float]
) -> None:
    worker = Worker({75: notice(deadline, {"a": [0, 1]})}, save_seconds)
    assert worker.train(until=300) == saved


def test_none_is_due_without_a_notice() -> None:
    assert Worker({}).train(until=300) == []


def test_each_node_is_a_notice_of_its_own_and_the_earliest_deadline_counts() -> None:
    received = {
        20: notice(300, {"a": [0]}),
        40: notice(300, {"a": [0]}),  # the same again
        60: notice(150, {"a": [0], "b": [1]}),
    }
    assert Worker(received).train(until=400) == [20, 60, 140]


def test_nodes_workers_and_deadline_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    received = {20: notice(60, {"a": [0]}), 30: notice(60, {"a": [0], "b": [3, 2]})}
    Worker(received).train(until=100)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "node a with worker(s) 0 will be preempted at 00",
        "node b with worker(s) 2, 3 will be preempted at 00",
    ]
    assert "at 00:01:00 UTC, in 40 seconds" in caplog.text


def test_a_deadline_that_is_not_announced_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    Worker({20: notice(None, {"a": [0]})}).train(until=30)
    assert "at a time that is not announced (Ray Train restarts the workers in 120 seconds)" in caplog.text
