import math
from dataclasses import replace

import pytest

from clism_core.pretraining.config import PretrainConfig, check_config, data_set_configs
from clism_core.pretraining.held_out_data import HeldOutConfig
from clism_core.pretraining.mixture import DataSetConfig
from clism_core.pretraining.objectives.build import ObjectivesConfig
from clism_core.training.config import ElasticNumber, WorkersConfig
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.errors import InputError


def elastic(minimum: int, maximum: int) -> WorkersConfig:
    return WorkersConfig(number=ElasticNumber(min=minimum, max=maximum))


GOOD = PretrainConfig(model="xlm-roberta-base", data="prepared", output="out")


def test_defaults_are_the_values_of_the_paper() -> None:
    check_config(GOOD)
    assert (GOOD.global_batch_size, GOOD.loop.steps, GOOD.optimizer.warmup_steps) == (64, 15_000, 1_500)
    assert (GOOD.optimizer.learning_rate, GOOD.masking.max_length, GOOD.masking.mlm_probability) == (1e-5, 256, 0.15)


def test_elastic_workers_need_not_divide_the_batch() -> None:
    check_config(replace(GOOD, workers=elastic(3, 7)))
    assert elastic(3, 7).resources() == {"CPU": 1.5}


def test_warm_up_may_be_a_fraction_of_the_steps() -> None:
    check_config(replace(GOOD, optimizer=OptimizerConfig(warmup_steps=0.1), loop=LoopConfig(steps=2, evaluate_at=[1])))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"workers": WorkersConfig(number=3)}, "multiple of --workers.number", id="workers"),
        pytest.param({"workers": WorkersConfig(number=0)}, "--workers.number 0", id="no workers"),
        pytest.param(
            {"workers": elastic(0, 2)}, r"--workers\.number\.min 0: must be at least 1", id="no elastic workers"
        ),
        pytest.param({"workers": elastic(3, 2)}, "its min, 3, is above its max, 2", id="reversed"),
        pytest.param(
            {"workers": elastic(2, 65)},
            r"--global_batch_size 64: must be at least --workers\.number\.max \(65\)",
            id="workers without inputs",
        ),
        pytest.param({"global_batch_size": 0}, "--global_batch_size 0", id="empty batch"),
        pytest.param({"micro_batch_size": 0}, "--micro_batch_size", id="empty micro-batch"),
        pytest.param({"pairs_per_sample": {0.5: 2}}, "--pairs_per_sample", id="no first stage"),
        pytest.param({"pairs_per_sample": {0.0: 1, 1.0: 2}}, "--pairs_per_sample", id="a stage after the end"),
        pytest.param({"objectives": ObjectivesConfig(w_clism=0, w_cacr=0, w_mlm=0)}, "all weights are 0", id="none"),
        pytest.param(
            {"objectives": ObjectivesConfig(w_mlm=-1)},
            "--objectives.w_mlm -1: must be at least 0",
            id="negative weight",
        ),
        pytest.param({"objectives": ObjectivesConfig(temperature=0)}, "temperature", id="temperature"),
        pytest.param({"optimizer": OptimizerConfig(warmup_steps=20_000)}, "warmup_steps", id="endless warm-up"),
        pytest.param(
            {"optimizer": OptimizerConfig(warmup_steps=1.5)}, "a whole number of steps, or a fraction", id="half a step"
        ),
        pytest.param(
            {"optimizer": OptimizerConfig(warmup_steps=-0.1)},
            r"warmup_steps -0\.1: must be at least 0",
            id="negative share",
        ),
        pytest.param(
            {"loop": LoopConfig(evaluate_at=[5, 0])}, r"--loop\.evaluate_at\[1\] 0: must be at least 1", id="step 0"
        ),
        pytest.param({"optimizer": OptimizerConfig(max_gradient_norm=0)}, "max_gradient_norm", id="no gradient"),
        pytest.param({"optimizer": OptimizerConfig(head_learning_rate=0)}, "head_learning_rate", id="head"),
        pytest.param({"held_out": HeldOutConfig(max_samples=0)}, "held_out.max_samples", id="nothing evaluated"),
        pytest.param({"seed": -1}, "--seed -1", id="seed"),
        *(
            pytest.param(
                {"data": [DataSetConfig("a"), DataSetConfig("b", weight)]},
                rf"--data\[1\]\.weight {weight}: must be above 0 and below inf",
                id=f"data weight {weight}",
            )
            for weight in (0, -1, math.inf, math.nan)
        ),
        pytest.param(
            {"data": "[{path: a}, {path: b, wieght: 2}]"},
            r"--data\[1\]: unknown field wieght, not path or weight; give",
            id="unknown field of a data set",
        ),
        pytest.param({"data": "[{weight: 2}]"}, r"--data\[0\]: path is missing; give", id="data without a path"),
        pytest.param({"data": "[{path: 7}]"}, r"--data\[0\]: path 7 is not a string; give", id="data path of a number"),
        pytest.param(
            {"data": "[{path: a, weight: two}]"},
            r"--data\[0\]: weight 'two' is not a number; give",
            id="weight of text",
        ),
        pytest.param(
            {"data": "[a, b]"}, r"--data\[0\]: 'a' is not a data set with a path; give", id="data list of names"
        ),
        pytest.param(
            {"data": "[{path: a"}, r"--data \[\{path: a: cannot be parsed as a list", id="data list not closed"
        ),
        pytest.param(
            {"data": "{path: a}"}, r"--data \{path: a\}: cannot be parsed as a list", id="data without a list"
        ),
    ],
)
def test_invalid_configuration_is_an_input_error(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_config(replace(GOOD, **change))  # type: ignore[arg-type]


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(InputError, match=r"(?s)--micro_batch_size.*--length_window"):
        check_config(replace(GOOD, micro_batch_size=0, length_window=0))


def test_single_folder_is_a_data_set_with_weight_1() -> None:
    assert data_set_configs(GOOD) == [DataSetConfig("prepared", weight=1)]
