"""The comparison of runs, on deliveries written out by hand: 3 steps of 4 samples."""

import json

import numpy as np
import pytest
from sample_order_report import Attempt, Delivery, attempts, draw, problems, repeated, summary

BATCHES = [("a 0", "b 0", "c 0", "d 0"), ("e 0", "f 0", "b 1", "a 1"), ("d 1", "c 1", "f 1", "e 1")]


def deliver(*, workers: int, first: int, steps: range) -> list[Delivery]:
    return [
        Delivery(workers, first, step, rank, BATCHES[step][rank::workers]) for step in steps for rank in range(workers)
    ]


(ALONE,) = attempts(deliver(workers=1, first=0, steps=range(3)))
KILLED = deliver(workers=2, first=0, steps=range(2))  # with a checkpoint of step 1
RESUMED = deliver(workers=4, first=1, steps=range(1, 3))


def found(deliveries: list[Delivery]) -> list[str]:
    return list(problems(attempts(deliveries), ALONE, steps=3))


def test_interrupted_run_has_no_problems() -> None:
    in_disorder = [*RESUMED[::-1], *KILLED]
    assert found(in_disorder) == []
    assert repeated(attempts(in_disorder)) == [1]
    assert summary(attempts(in_disorder)) == (
        "workers: 2 from step 1 to 2, then 4 from step 2 to 3; 12 samples in 3 steps; steps begun twice: 2"
    )


def test_worker_that_was_killed_before_its_last_delivery_loses_nothing() -> None:
    assert found([*KILLED[:-1], *RESUMED]) == []


def test_deliveries_are_read_as_they_were_written() -> None:
    assert [Delivery.parse(json.loads(json.dumps(delivery))) for delivery in KILLED] == KILLED


@pytest.mark.parametrize(
    ("deliveries", "expected"),
    [
        pytest.param([*KILLED, *RESUMED[:-1]], ["lost: e 1"], id="a worker without its part of the last step"),
        pytest.param(
            [*KILLED, *RESUMED[:4]],
            ["steps [3] are missing", "lost: c 1, d 1, e 1, f 1"],
            id="an end before the last step",
        ),
        pytest.param(
            [*KILLED, *RESUMED[:-1], RESUMED[-1]._replace(samples=("f 1",))],
            ["step 3: worker 3 of 4 has ('f 1',), not ('e 1',)", "lost: e 1", "used twice: f 1"],
            id="another worker's sample",
        ),
        pytest.param(
            [KILLED[0], KILLED[1]._replace(samples=("d 0", "b 0")), *KILLED[2:], *RESUMED],
            ["step 1: worker 1 of 2 has ('d 0', 'b 0'), not ('b 0', 'd 0')"],
            id="another order",
        ),
    ],
)
def test_differences_are_named(deliveries: list[Delivery], expected: list[str]) -> None:
    assert found(deliveries) == expected


def test_figure_has_a_dot_per_use_and_a_circle_per_lost_one() -> None:
    runs: dict[str, list[Attempt]] = {"alone": [ALONE], "two": [ALONE], "three": [ALONE]}
    figure = draw(runs | {"interrupted": attempts([*KILLED, *RESUMED])}, ALONE)
    panel = figure.axes[3]
    assert sum(np.shape(group.get_offsets())[0] for group in panel.collections) == 12 + 4  # step 2 twice
    assert [text.get_text() for text in panel.texts] == ["2 → 4"]
