"""Batches made in a thread ahead of the steps."""

import threading

import pytest

from clism_core.training.data.loader import STEPS_AHEAD, made_ahead


@pytest.mark.parametrize("steps", [range(0), range(3, 4), range(5, 12), range(4, 4)])
def test_each_step_comes_once_and_in_order(steps: range) -> None:
    assert list(made_ahead(lambda step: step, steps)) == list(steps)


def test_the_next_steps_are_made_while_one_is_used() -> None:
    made = [threading.Event() for _ in range(9)]

    def make(step: int) -> int:
        made[step].set()
        return step

    for step in made_ahead(make, range(9)):
        assert all(event.wait(10) for event in made[: step + STEPS_AHEAD + 1])
        assert not any(event.is_set() for event in made[step + STEPS_AHEAD + 1 :])


def test_they_are_made_in_another_thread() -> None:
    names = list(made_ahead(lambda _: threading.current_thread().name, range(3)))
    assert all(name.startswith("loader") for name in names)


def test_an_error_is_raised_where_its_own_step_is_due() -> None:
    def make(step: int) -> int:
        if step == 2:
            raise ValueError("poisoned row")
        return step

    batches = made_ahead(make, range(5))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ValueError, match="poisoned row"):
        next(batches)


def test_none_are_made_after_the_last_one_that_is_used() -> None:
    begun: list[int] = []
    go_on = threading.Event()

    def make(step: int) -> int:
        begun.append(step)
        if step > 0:
            go_on.wait(10)
        return step

    batches = made_ahead(make, range(9))
    next(batches)
    batches.close()
    go_on.set()
    assert set(begun) <= {0, 1}
