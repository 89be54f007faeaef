import pytest
from ray import tune

from clism_core.experiments.tuning.space import choices, objective
from clism_core.utils.errors import InputError

METRICS = {"en-ar/span_exact_match": 0.2, "en-hi/span_exact_match": 0.4, "en-ar/retrieval_accuracy": 0.9, "score": 1.0}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(("score",), 1.0, id="one"),
        pytest.param(("*/span_exact_match",), 0.3, id="mean over language pairs"),
        pytest.param(("*/span_exact_match", "*/retrieval_accuracy"), 0.6, id="mean of means"),
    ],
)
def test_objective_is_the_mean_of_the_named_metrics(names: tuple[str, ...], expected: float) -> None:
    assert objective(METRICS, names) == pytest.approx(expected)


def test_a_missing_metric_is_an_error() -> None:
    with pytest.raises(
        InputError, match=r"metric \*/f1 of the search space not found; a trial has: en-ar/retrieval_accuracy"
    ):
        objective(METRICS, ("*/f1",))


def test_a_grid_needs_choices() -> None:
    space = {"seed": tune.choice([0, 1]), "objectives.temperature": tune.loguniform(0.1, 1.0)}
    with pytest.raises(InputError, match=r"objectives.temperature of the search space is a range"):
        choices(space)
    assert choices({"seed": tune.choice([0, 1])}) == {"seed": [0, 1]}


def test_an_objective_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(FloatingPointError, match="nan"):
        objective({"a/f1": float("nan")}, ("*/f1",))
