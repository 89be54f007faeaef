"""Estimates of time and cost, against sums done by hand."""

from dataclasses import replace

import pytest

from clism_core.evaluation.config import EvaluateConfig
from clism_core.experiments.studies.estimate import ClusterConfig, EstimateConfig, estimate, work_units
from clism_core.experiments.studies.run_graph import Chain, Stage, all_stages
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.test_data import TestSetConfig
from clism_core.training.config import WorkersConfig
from clism_core.training.loop import LoopConfig

RATES = EstimateConfig(
    pretrain_rate=10.0,
    finetune_rate=20.0,
    evaluate_rate=50.0,
    mrc_examples=3200,
    test_examples=5000,
    startup_seconds=40.0,
)
PRETRAIN = PretrainConfig(
    model="m", data="d", global_batch_size=64, loop=LoopConfig(steps=100), workers=WorkersConfig(number=4, use_gpu=True)
)
FINETUNE = FinetuneConfig(
    task="mrc", model="", train="t", dev="d", epochs=2.0, workers=WorkersConfig(number=4, use_gpu=True)
)
EVALUATE = EvaluateConfig(model="", tests=[TestSetConfig(dataset="xquad", path="x")])


def stages_of(*chains: Chain) -> list[Stage]:
    return list(all_stages(chains).values())


def test_runs_in_sequence() -> None:
    stages = stages_of(Chain({}, PRETRAIN, FINETUNE, EVALUATE))
    cluster = ClusterConfig(cpus=8, gpus=4, dollars_per_hour=10.0)
    found = estimate(stages, {}, cluster, RATES)
    # 100 steps of 16 inputs a worker; 2 epochs of 3200 in batches of 32, 8 a worker; 5000 examples
    expected = [40 + 1600 / 10, 40 + 200 * 8 / 20, 40 + 5000 / 50]
    assert list(found.seconds.values()) == pytest.approx(expected)
    assert found.concurrency == 1
    assert found.hours == pytest.approx(sum(expected) / 3600)
    assert found.dollars == pytest.approx(10 * sum(expected) / 3600)


def test_concurrent_runs_take_as_long_as_their_share_or_the_longest_chain() -> None:
    chains = [Chain({}, "m", replace(FINETUNE, seed=seed)) for seed in range(6)]
    each = 40 + 200 * 8 / 20
    for gpus, concurrency, seconds in ((8, 2, 3 * each), (64, 16, each)):
        found = estimate(stages_of(*chains), {}, ClusterConfig(cpus=1000, gpus=gpus), RATES)
        assert found.concurrency == concurrency
        assert found.hours * 3600 == pytest.approx(seconds)


def test_finished_runs_override_rates() -> None:
    (finetuning,) = stages_of(Chain({"task": "mrc"}, "m", FINETUNE))
    found = estimate([finetuning], {"finetune mrc": [0.1, 0.5, 0.3], "finetune ner": [9.0]}, ClusterConfig(), RATES)
    assert found.seconds[finetuning.name] == pytest.approx(0.3 * work_units(finetuning, RATES))


def test_runs_that_do_not_fit_are_listed() -> None:
    stages = stages_of(Chain({}, PRETRAIN, FINETUNE, EVALUATE))
    assert estimate(stages, {}, ClusterConfig(cpus=8, gpus=4), RATES).too_large == []
    assert estimate(stages, {}, ClusterConfig(cpus=8, gpus=2), RATES).too_large == [stage.name for stage in stages[:2]]


def test_small_runs_fit_beside_large_ones() -> None:
    small = replace(FINETUNE, workers=WorkersConfig(number=1, use_gpu=True))
    chains = [Chain({}, PRETRAIN, replace(small, seed=seed)) for seed in range(8)]
    found = estimate(stages_of(*chains), {}, ClusterConfig(cpus=1000, gpus=8), RATES)
    pretraining, finetuning = 40 + 1600 / 10, 40 + 200 * 32 / 20
    # half of the cluster for the pre-training, then all eight concurrently on an eighth each
    assert found.hours * 3600 == pytest.approx(max(0.5 * pretraining + finetuning, pretraining + finetuning))


def test_examples_and_steps_determine_the_work() -> None:
    few = replace(FINETUNE, examples=64)
    assert work_units(stages_of(Chain({}, "m", few))[0], RATES) == 4 * 8  # two epochs of 64 in batches of 32
    assert work_units(stages_of(Chain({}, "m", replace(few, steps=200)))[0], RATES) == 200 * 8


def test_no_missing_runs_take_no_time() -> None:
    found = estimate([], {}, ClusterConfig(), RATES)
    assert (found.hours, found.dollars, found.seconds) == (0.0, 0.0, {})
