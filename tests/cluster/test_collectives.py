"""What workers exchange, without other workers than this process."""

from typing import Any

import pytest

from clism_core.cluster import collectives as distributed
from clism_core.cluster.collectives import gather_results


def test_results_come_in_order_of_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "gather_objects", lambda own: [([1], None), own, ([3], None)])
    assert gather_results(lambda: 2) == [1, 2, 3]


def test_what_one_worker_raises_all_raise(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert len(sent) == 2  # also the one that fails takes part, for the others wait for it


def test_alone() -> None:
    assert gather_results(lambda: None) == [None]
