from dataclasses import replace

import pytest
from ray import tune

from clism_core.errors import InputError
from clism_core.tracking.run import TrackedRun
from clism_core.training.config import PretrainConfig
from clism_core.training.settings import WorkersConfig
from clism_core.tuning.config import TuneConfig
from clism_core.tuning.space import Budget, Space
from clism_core.tuning.sweep import SCHEDULERS, concurrent_runs, describe_domain, sweep_identity, trial_count
from clism_core.tuning.trial import Sweep

SPACE = Space(
    job="pretrain",
    parameters={"seed": tune.choice([0, 1, 2]), "masking.max_spans": tune.choice([1, 2])},
    metrics=("score",),
)
CONFIG = TuneConfig(space="mine", pretrain=PretrainConfig(model="m", data="d")).settled(SPACE)
SWEEP = Sweep(space=SPACE, bases=CONFIG.bases(SPACE), output="o", parent=TrackedRun("uri", "id"))


@pytest.mark.parametrize(
    ("workers", "resources", "expected"),
    [
        pytest.param([WorkersConfig(number=1, cpus=0.5)], {"CPU": 2.0}, 2, id="half a CPU and what hands it data"),
        pytest.param([WorkersConfig(number=2, cpus=1.0)], {"CPU": 8.0}, 3, id="two workers"),
        pytest.param([WorkersConfig(number=8, cpus=1.0)], {"CPU": 2.0}, 1, id="no room, yet nodes may join"),
        pytest.param([WorkersConfig(number=1)], {"CPU": 96.0, "GPU": 8.0}, 8, id="one GPU each"),
        pytest.param([WorkersConfig(number=1, gpus=0.25)], {"CPU": 96.0, "GPU": 8.0}, 32, id="four share a GPU"),
        pytest.param([WorkersConfig(use_gpu=False)], {"CPU": 3.0, "GPU": 1.0}, 4, id="CPUs though there are GPUs"),
        pytest.param(
            [WorkersConfig(number=4), WorkersConfig(number=1)],
            {"CPU": 96.0, "GPU": 8.0},
            2,
            id="the larger of two runs",
        ),
    ],
)
def test_as_many_trials_side_by_side_as_there_is_room_for(
    workers: list[WorkersConfig], resources: dict[str, float], expected: int
) -> None:
    assert concurrent_runs(workers, resources) == expected


def test_a_grid_is_tried_in_whole() -> None:
    assert trial_count(replace(CONFIG, searcher="grid", trials=1), SPACE) == 6
    assert trial_count(replace(CONFIG, trials=5), SPACE) == 5


def test_domains_that_differ_are_told_apart() -> None:
    domains = [tune.uniform(0.1, 1.0), tune.loguniform(0.1, 1.0), tune.choice([0.1, 1.0]), tune.uniform(0.1, 2.0)]
    assert len({describe_domain(domain) for domain in domains}) == len(domains)


def test_identity_changes_with_what_a_trial_is_and_not_with_where_it_runs() -> None:
    identity = sweep_identity(CONFIG, SWEEP)
    base = SWEEP.bases["pretrain"]
    elsewhere = replace(SWEEP, bases={"pretrain": replace(base, workers=WorkersConfig(number=4))}, output="p")
    assert sweep_identity(replace(CONFIG, max_concurrent=3), elsewhere) == identity
    longer = replace(SWEEP, bases={"pretrain": replace(base, loop=replace(base.loop, steps=1))})
    assert sweep_identity(CONFIG, longer) != identity
    assert sweep_identity(replace(CONFIG, seed=1), SWEEP) != identity
    other = replace(SWEEP, space=replace(SPACE, parameters={"seed": tune.choice([0, 1])}))
    assert sweep_identity(CONFIG, other) != identity


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_can_be_made_of_a_budget(name: str) -> None:
    assert isinstance(SCHEDULERS[name](Budget()), tune.schedulers.TrialScheduler)


def test_a_searcher_that_ray_tune_does_not_know_is_refused() -> None:
    from clism_core.tuning.sweep import _searcher

    with pytest.raises(InputError, match="--searcher oracle"):
        _searcher(replace(CONFIG, searcher="oracle"), 2)
