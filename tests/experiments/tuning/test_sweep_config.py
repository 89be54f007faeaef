from dataclasses import replace
from typing import Any

import pytest
from ray import tune

from clism_core.experiments.tuning.config import TuneConfig, check_sweep, trial_configs
from clism_core.experiments.tuning.space import Budget, Space
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.utils.errors import InputError

PRETRAIN = PretrainConfig(model="m", data="d")
FINETUNE = FinetuneConfig(task="mrc", model="m", train="t", dev="d")
CONFIG = TuneConfig(space="mine", pretrain=PRETRAIN, finetune=FINETUNE)
SPACE = Space(job="pretrain", parameters={"objectives.w_cacr": tune.uniform(0.1, 1.0)}, metrics=("score",))


def joint(**parameters: Any) -> Space:
    return Space(
        job="joint",
        parameters={name.replace("__", "."): value for name, value in parameters.items()},
        metrics=("*/f1",),
    )


def test_a_valid_sweep_has_no_problems() -> None:
    check_sweep(CONFIG, SPACE)
    check_sweep(CONFIG, Space(job="finetune", parameters={"steps": tune.choice([5, 10])}, metrics=("*/f1",)))
    both = joint(pretrain__seed=tune.choice([0, 1]), finetune__seed=tune.choice([0, 1]))
    check_sweep(replace(CONFIG, finetune=replace(FINETUNE, model="")), both)


@pytest.mark.parametrize(
    ("config", "space", "message"),
    [
        pytest.param(CONFIG, replace(SPACE, parameters={}), "has no parameters", id="no parameters"),
        pytest.param(CONFIG, replace(SPACE, metrics=()), "has no metrics", id="no metrics"),
        pytest.param(
            CONFIG, replace(SPACE, parameters={"seed": tune.choice([])}), "has a choice without values", id="no values"
        ),
        pytest.param(replace(CONFIG, trials=0), SPACE, "--trials 0", id="trials"),
        pytest.param(
            replace(CONFIG, searcher="oracle"), SPACE, "--searcher oracle: not found; give one of grid", id="searcher"
        ),
        pytest.param(
            CONFIG,
            replace(SPACE, parameters={"seed": tune.sample_from(lambda _: 0)}),
            "functions (tune.sample_from) are unsupported",
            id="function",
        ),
        pytest.param(
            CONFIG,
            Space(job="finetune", task="ner", parameters={"seed": tune.choice([0])}, metrics=("*/f1",)),
            "--finetune.task mrc: the space is for task ner",
            id="another task",
        ),
        pytest.param(
            replace(CONFIG, finetune=replace(FINETUNE, steps=5)),
            Space(job="finetune", parameters={"epochs": tune.choice([1.0])}, metrics=("*/f1",)),
            "overrides the epochs",
            id="steps instead of epochs",
        ),
        pytest.param(CONFIG, replace(SPACE, budget=Budget(grace=0.0)), "grace must be above 0", id="grace"),
        pytest.param(replace(CONFIG, searcher="grid"), SPACE, "needs tune.choice", id="grid of a range"),
        pytest.param(
            CONFIG,
            replace(SPACE, parameters={"objectives.w_cac": tune.uniform(0.1, 1.0)}),
            "did you mean objectives.w_cacr",
            id="unknown field",
        ),
        pytest.param(
            CONFIG,
            replace(SPACE, parameters={"objectives.temperature": tune.choice([0.1, -0.1])}),
            "--space mine: --objectives.temperature -0.1: must be above 0",
            id="value that the job refuses",
        ),
        pytest.param(
            CONFIG,
            replace(SPACE, parameters={"output": tune.choice(["a"])}),
            "which the sweep sets itself",
            id="swept field",
        ),
        pytest.param(TuneConfig(space="mine"), SPACE, "--pretrain.model: missing", id="no base"),
        pytest.param(
            replace(CONFIG, pretrain=replace(PRETRAIN, global_batch_size=0)),
            SPACE,
            "--pretrain.global_batch_size 0",
            id="base that the job refuses",
        ),
        pytest.param(
            CONFIG,
            joint(pretrain__seed=tune.choice([0])),
            "fine-tunes the encoder that it pre-trained",
            id="joint model",
        ),
        pytest.param(
            replace(CONFIG, finetune=replace(FINETUNE, model="")),
            joint(seed=tune.choice([0])),
            "begin with pretrain. or finetune.",
            id="joint field without a job",
        ),
    ],
)
def test_problems_are_reported_before_anything_starts(config: TuneConfig, space: Space, message: str) -> None:
    with pytest.raises(InputError) as raised:
        check_sweep(config, space)
    assert message in str(raised.value)


def test_each_field_is_reported_once_for_all_samples() -> None:
    space = replace(SPACE, parameters={"objectives.temperature": tune.uniform(-2.0, -1.0), "seed": tune.choice([-1])})
    with pytest.raises(InputError) as raised:
        check_sweep(CONFIG, space)
    assert [line.split()[2] for line in str(raised.value).splitlines()] == ["--seed", "--objectives.temperature"]


def test_a_joint_trial_sets_the_fields_of_each_job() -> None:
    space = joint(pretrain__seed=tune.choice([1]), finetune__seed=tune.choice([2]))
    configs = trial_configs(CONFIG.bases(space), space, {"pretrain.seed": 1, "finetune.seed": 2})
    assert (configs["pretrain"].seed, configs["finetune"].seed) == (1, 2)


def test_fields_default_to_those_of_the_space() -> None:
    resolved = CONFIG.resolved(replace(SPACE, searcher="random", budget=Budget(trials=5)))
    assert (resolved.trials, resolved.searcher, resolved.scheduler) == (5, "random", "asha")
    assert replace(CONFIG, trials=7).resolved(SPACE).trials == 7
