import math
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from clism_core.tasks.finetuning.config import FinetuneConfig, check_config
from clism_core.tasks.finetuning.finetune import build_order, count_steps, run_identity
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.ner.config import NerConfig
from clism_core.training.config import WorkersConfig
from clism_core.training.loop import CadenceConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.errors import InputError

CONFIG = FinetuneConfig(task="mrc", model="m", train="t.json", dev="d.json")
NER = replace(CONFIG, task="ner")


FEW_SHOT = replace(CONFIG, examples=64, steps=200)


@pytest.mark.parametrize("config", [CONFIG, NER, FEW_SHOT], ids=["mrc", "ner", "few-shot"])
def test_defaults_are_valid(config: FinetuneConfig) -> None:
    check_config(config)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        pytest.param(replace(CONFIG, train=[]), "--train: missing; give a file, a folder or a glob", id="no-train"),
        pytest.param(replace(CONFIG, dev=""), "--dev: missing; give a file, a folder or a glob", id="no-dev"),
        pytest.param(replace(CONFIG, examples=0), "--examples 0: must be at least 1", id="no-examples"),
        pytest.param(replace(CONFIG, dev_examples=0), "--dev_examples 0: must be at least 1", id="no-dev-examples"),
        pytest.param(replace(CONFIG, steps=0), "--steps 0: must be at least 1", id="no-steps"),
        pytest.param(replace(CONFIG, epochs=math.inf), "--epochs inf: must be above 0 and below inf", id="endless"),
        pytest.param(replace(CONFIG, language=""), "--language '': must be a code", id="no-language"),
        pytest.param(replace(CONFIG, epochs=0), "--epochs 0: must be above 0", id="no-epochs"),
        pytest.param(replace(CONFIG, sample_seed=-1), "--sample_seed -1: must be at least 0", id="sample-seed"),
        pytest.param(
            replace(CONFIG, steps=10, optimizer=OptimizerConfig(warmup_steps=10)),
            "--optimizer.warmup_steps 10: must be below --steps (10)",
            id="warm-up",
        ),
        pytest.param(
            replace(CONFIG, global_batch_size=3, workers=WorkersConfig(number=2)),
            "--global_batch_size 3: must be a multiple of --workers.number (2)",
            id="not-divisible",
        ),
        pytest.param(
            replace(CONFIG, loop=CadenceConfig(evaluate_at=[0])),
            "--loop.evaluate_at[0] 0: must be at least 1",
            id="evaluate-at-0",
        ),
        pytest.param(replace(CONFIG, mrc=MrcConfig(max_length=64)), "--mrc.max_length 64", id="mrc-too-short"),
        pytest.param(replace(CONFIG, mrc=MrcConfig(stride=-1)), "--mrc.stride -1: must be at least 0", id="mrc-stride"),
        pytest.param(
            replace(CONFIG, mrc=MrcConfig(max_question_length=0)),
            "--mrc.max_question_length 0: must be at least 1",
            id="mrc-question",
        ),
        pytest.param(
            replace(CONFIG, mrc=MrcConfig(max_answer_length=0)),
            "--mrc.max_answer_length 0: must be at least 1",
            id="mrc-answer",
        ),
        pytest.param(
            replace(NER, ner=NerConfig(max_length=7, stride=2)),
            "--ner.max_length 7: must be at least 8",
            id="ner-length",
        ),
        pytest.param(replace(NER, ner=NerConfig(stride=-1)), "--ner.stride -1: must be at least 0", id="ner-stride"),
        pytest.param(replace(NER, ner=NerConfig(types=[])), "--ner.types", id="no-types"),
        pytest.param(replace(NER, reinit_head=True), "--reinit_head: --task ner", id="no-head-to-replace"),
    ],
)
def test_each_problem_is_reported(config: FinetuneConfig, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        check_config(config)


def test_problems_of_other_tasks_are_ignored() -> None:
    check_config(replace(NER, mrc=MrcConfig(max_length=1)))
    check_config(replace(CONFIG, ner=NerConfig(types=[])))


def test_run_identity_excludes_where_a_run_writes_and_how_it_is_logged() -> None:
    same = replace(
        CONFIG,
        output="elsewhere",
        micro_batch_size=4,
        ner=NerConfig(max_length=64),
        loop=CadenceConfig(log_every=1, evaluate_at=[3]),
        workers=WorkersConfig(number=4),
    )
    assert run_identity(same) == run_identity(CONFIG)
    assert run_identity(replace(CONFIG, sample_seed=1)) != run_identity(CONFIG)
    assert run_identity(replace(CONFIG, mrc=MrcConfig(stride=64))) != run_identity(CONFIG)
    assert run_identity(replace(CONFIG, reinit_head=True)) != run_identity(CONFIG)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"steps": 7}, 7, id="steps-before-epochs"),
        pytest.param({"epochs": 2.0}, 3, id="the-last-step-is-partial"),
        pytest.param({"epochs": 0.1}, 1, id="at-least-one"),
    ],
)
def test_epochs_count_inputs(given: dict[str, float], expected: int) -> None:
    assert count_steps(replace(CONFIG, **given), inputs=33) == expected  # type: ignore[arg-type]  # batches of 32


def test_a_warm_up_longer_than_the_run_is_rejected() -> None:
    config = replace(CONFIG, optimizer=OptimizerConfig(warmup_steps=1500))
    check_config(config)  # the number of inputs is not known yet
    with pytest.raises(InputError, match=r"--optimizer\.warmup_steps 1500: the run has only 1250 steps"):
        count_steps(config, inputs=8000)
    assert count_steps(config, inputs=16000) == 2500


@pytest.mark.parametrize("examples", [64, 128, 300])
def test_a_few_shot_batch_has_no_duplicates(examples: int) -> None:
    """Except in a batch that spans two epochs."""
    order = build_order(CONFIG, np.arange(1, examples + 1), steps=50)
    repeated = [32 - len(np.unique(order.batch(step).ordinals_GK)) for step in range(50)]
    assert [n for step, n in enumerate(repeated) if n and step * 32 // examples == (step * 32 + 31) // examples] == []


def test_fewer_examples_than_a_batch_are_repeated_evenly() -> None:
    order = build_order(CONFIG, np.arange(1, 11), steps=5)
    assert set(np.bincount(order.batch(0).ordinals_GK.ravel())) == {3, 4}


def test_large_data_is_batched_by_length() -> None:
    order = build_order(CONFIG, np.random.default_rng(0).permutation(32 * 160), steps=16)
    batches = [order.lengths[order.batch(step).ordinals_GK.ravel()] for step in range(16)]
    ranges = sorted((int(lengths.min()), int(lengths.max())) for lengths in batches)
    assert all(longest < shortest for (_, longest), (shortest, _) in pairwise(ranges))
