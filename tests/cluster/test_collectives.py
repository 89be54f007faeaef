"""Collectives, with the other workers mocked."""

from typing import Any

import pytest

from clism_core.cluster import collectives as distributed
from clism_core.cluster.collectives import gather_results


def test_results_are_in_order_of_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "gather_objects", lambda own: [([1], None), own, ([3], None)])
    assert gather_results(lambda: 2) == [1, 2, 3]


def test_error_of_one_worker_is_raised_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    def gather(own: Any) -> list[Any]:
        sent.append(own)
        return [own, ([], FloatingPointError("not finite"))]

    monkeypatch.setattr(distributed, "gather_objects", gather)
    with pytest.raises(FloatingPointError, match="not finite"):
        gather_results(lambda: 2)

    def fail() -> int:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        gather_results(fail)
    assert len(sent) == 2  # the failing worker takes part, too: the others wait for it


def test_single_worker() -> None:
    assert gather_results(lambda: None) == [None]
