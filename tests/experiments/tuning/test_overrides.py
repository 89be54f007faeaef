from dataclasses import asdict

import pytest

from clism_core.experiments.tuning.overrides import field_types, with_fields
from clism_core.pretraining.config import PretrainConfig
from clism_core.utils.errors import InputError

CONFIG = PretrainConfig(model="m", data="d")


def test_fields_are_named_as_on_the_command_line() -> None:
    types = field_types(PretrainConfig)
    assert types["optimizer.learning_rate"] is float
    assert types["seed"] is int
    assert "optimizer" not in types


def test_only_the_given_fields_change() -> None:
    changed = with_fields(CONFIG, {"objectives.temperature": 0.1, "loop.steps": 7, "seed": 3})
    expected = asdict(CONFIG)
    expected["objectives"]["temperature"] = 0.1
    expected["loop"]["steps"] = 7
    expected["seed"] = 3
    assert asdict(changed) == expected
    assert CONFIG.seed == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"objectives.w_cac": 1.0}, "did you mean objectives.w_cacr", id="misspelt"),
        pytest.param({"temperature": 1.0}, "did you mean objectives.temperature", id="group left out"),
        pytest.param({"optimizer": {}}, "field optimizer not found", id="group instead of a field"),
        pytest.param({"loop.steps": "many"}, "loop.steps 'many'", id="type"),
        pytest.param({"export": "first"}, "'last' or 'best'", id="choice"),
    ],
)
def test_unknown_fields_and_wrong_types_are_errors(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_fields(CONFIG, values)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InputError) as raised:
        with_fields(CONFIG, {"no": 1, "nothing": 2, "seed": "x"})
    assert len(str(raised.value).splitlines()) == 3
