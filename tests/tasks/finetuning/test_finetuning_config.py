import re
from dataclasses import replace

import pytest

from clism_core.errors import InputError
from clism_core.tasks.config import MrcConfig, NerConfig
from clism_core.tasks.finetuning.config import FinetuneConfig, check_config
from clism_core.tasks.finetuning.finetune import run_identity
from clism_core.training.loop import CadenceConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.training.settings import WorkersConfig

CONFIG = FinetuneConfig(task="mrc", model="m", train="t.json", dev="d.json")
NER = replace(CONFIG, task="ner")


FEW_SHOT = replace(CONFIG, examples=64, steps=200)


@pytest.mark.parametrize("config", [CONFIG, NER, FEW_SHOT], ids=["mrc", "ner", "few-shot"])
def test_defaults_are_fine(config: FinetuneConfig) -> None:
    check_config(config)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        pytest.param(replace(CONFIG, train=[]), "--train: names no data", id="no-train"),
        pytest.param(replace(CONFIG, dev=""), "--dev: names no data", id="no-dev"),
        pytest.param(replace(CONFIG, examples=0), "--examples: must be at least 1", id="no-examples"),
        pytest.param(replace(CONFIG, dev_examples=0), "--dev_examples: must be at least 1", id="no-dev-examples"),
        pytest.param(replace(CONFIG, steps=0), "--steps: must be at least 1", id="no-steps"),
        pytest.param(replace(CONFIG, epochs=0), "--epochs: must be above 0", id="no-epochs"),
        pytest.param(replace(CONFIG, sample_seed=-1), "--sample_seed: must not be negative", id="sample-seed"),
        pytest.param(
            replace(CONFIG, steps=10, optimizer=OptimizerConfig(warmup_steps=10)),
            "--optimizer.warmup_steps: must not be negative, and below --steps",
            id="warm-up",
        ),
        pytest.param(
            replace(CONFIG, global_batch_size=3, workers=WorkersConfig(number=2)),
            "--global_batch_size 3: must be a multiple of --workers.number (2)",
            id="not-divisible",
        ),
        pytest.param(
            replace(CONFIG, loop=CadenceConfig(evaluate_at=[0])),
            "--loop.evaluate_at: steps are counted from 1",
            id="evaluate-at-0",
        ),
        pytest.param(replace(CONFIG, mrc=MrcConfig(max_length=64)), "--mrc.max_length 64", id="mrc-too-short"),
        pytest.param(replace(NER, ner=NerConfig(types=[])), "--ner.types", id="no-types"),
        pytest.param(replace(NER, reinit_head=True), "--reinit_head: --task ner", id="no-head-to-replace"),
    ],
)
def test_a_problem_is_told(config: FinetuneConfig, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        check_config(config)


def test_problems_of_the_other_task_do_not_matter() -> None:
    check_config(replace(NER, mrc=MrcConfig(max_length=1)))
    check_config(replace(CONFIG, ner=NerConfig(types=[])))


def test_a_run_is_what_it_learns_and_not_where_or_how_it_is_watched() -> None:
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
