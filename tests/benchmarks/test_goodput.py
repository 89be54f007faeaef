"""Simulated goodput, against counts by hand and against Daly's formula."""

import itertools
import statistics

import pytest
from goodput import Run, best_interval, formula, poisson, regular, simulate

RUN = Run(steps=100, step_seconds=1.0, checkpoint_every=10, save_seconds=0.0, upload_seconds=0.0, restart_seconds=0.0)


def run(**changes: float) -> Run:
    return Run(**(vars(RUN) | changes))


def test_without_failures_only_saving_takes_time() -> None:
    outcome = simulate(run(save_seconds=2.0, upload_seconds=5.0), regular(1e9))
    assert (outcome.seconds, outcome.failures, outcome.repeated) == (120.0, 0, 0)
    assert outcome.goodput(run()) == pytest.approx(100 / 120)


@pytest.mark.parametrize(
    ("changes", "announced", "seconds", "repeated"),
    [
        # One failure after 37 seconds: steps 31 to 37 are repeated.
        pytest.param({}, False, 107.0, 7, id="steps since the checkpoint"),
        pytest.param({"restart_seconds": 20.0}, False, 127.0, 7, id="and the restart"),
        # 30 steps and three saves take 33 seconds: four more steps, of which steps 31 to 34 are repeated.
        pytest.param({"save_seconds": 1.0}, False, 100 + 10 + 4.0, 4, id="and saving"),
        pytest.param({"upload_seconds": 8.0}, False, 117.0, 17, id="and the interval before, if the upload is cut"),
        # The last step that ends 6 seconds before: that of second 31.
        pytest.param({}, True, 106.0, 6, id="only those since the last checkpoint before, if announced"),
    ],
)
def test_a_failure_costs(changes: dict[str, float], announced: bool, seconds: float, repeated: int) -> None:
    intervals = itertools.chain([37.0], regular(1e9))
    outcome = simulate(run(**changes), intervals, announced=announced)
    assert (outcome.failures, outcome.repeated, outcome.most_repeated) == (1, repeated, repeated)
    assert outcome.seconds == pytest.approx(seconds)


def test_a_failed_restart_begins_again() -> None:
    """At 37 seconds, at 47 (in the restart), and then not before the end."""
    outcome = simulate(run(restart_seconds=20.0), itertools.chain([37.0, 10.0], regular(1e9)))
    assert (outcome.failures, outcome.repeated, outcome.seconds) == (2, 7, 37 + 10 + 20 + 70)


@pytest.mark.parametrize("changes", [{"restart_seconds": 60.0}, {"checkpoint_every": 50}], ids=["restart", "interval"])
def test_a_run_without_progress_ends(changes: dict[str, float]) -> None:
    outcome = simulate(run(**changes), regular(40.0))
    assert outcome.steps < 100
    assert outcome.goodput(run()) < 0.02


@pytest.mark.parametrize(("mtbf", "restart_seconds"), [(300.0, 60.0), (2000.0, 20.0), (150.0, 5.0)])
def test_the_simulation_agrees_with_the_formula(mtbf: float, restart_seconds: float) -> None:
    long = run(steps=20_000, step_seconds=1.0, checkpoint_every=60, save_seconds=3.0, restart_seconds=restart_seconds)
    seconds = [simulate(long, poisson(mtbf, seed)).seconds for seed in range(20)]
    assert long.steps / statistics.fmean(seconds) == pytest.approx(formula(long, mtbf), rel=0.02)


def test_the_best_interval_is_that_of_the_formula() -> None:
    found = best_interval(run(save_seconds=2.0), mtbf=3600.0)
    assert found == 118  # sqrt(2 * 2 * 3600) - 2
    best = formula(run(save_seconds=2.0, checkpoint_every=found), 3600.0)
    assert all(formula(run(save_seconds=2.0, checkpoint_every=other), 3600.0) < best for other in (80, 100, 140, 170))
    assert best_interval(run(save_seconds=2.0, upload_seconds=300.0), mtbf=3600.0) == 300
