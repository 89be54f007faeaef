import pytest

from clism_core.errors import InputError
from clism_core.tasks.metrics.answers import AnswerMetrics, AnswerScore


def _part(scorer: str = "squad-1.1", **scores: tuple[float, float]) -> AnswerMetrics:
    return AnswerMetrics(scorer=scorer, scores={question: AnswerScore(*score) for question, score in scores.items()})


def test_parts_add_up_to_the_means_over_all_questions() -> None:
    whole = _part(q3=(100.0, 100.0)) + _part(q1=(0.0, 50.0), q2=(0.0, 0.0)) + _part()
    expected = {"exact_match": pytest.approx(100 / 3), "f1": 50.0, "n": 3, "scorer": "squad-1.1"}
    assert whole.summary() == expected


def test_the_order_of_parts_changes_no_figure() -> None:
    parts = [AnswerMetrics(scorer="squad-1.1", scores={f"q{i}": AnswerScore(0.0, 100 / (i + 3))}) for i in range(50)]
    forward, backward = sum(parts, _part()), sum(reversed(parts), _part())
    assert forward.summary() == backward.summary()
    assert forward.examples("f1").ids == backward.examples("f1").ids
    assert list(forward.examples("f1").numerators) == list(backward.examples("f1").numerators)


def test_examples_keep_the_named_score_of_each_question() -> None:
    examples = _part(q2=(0.0, 50.0), q1=(100.0, 90.0)).examples("f1")
    assert (examples.ids, list(examples.numerators), examples.value) == (("q1", "q2"), [90.0, 50.0], 70.0)
    assert (examples.scorer, examples.score) == ("squad-1.1", "f1")
    assert _part(q1=(100.0, 90.0)).examples("exact_match").value == 100.0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        pytest.param(_part(q1=(0.0, 0.0)), "question 'q1' is scored twice", id="a question in both"),
        pytest.param(_part("mlqa-1.0", q2=(0.0, 0.0)), "squad-1.1 and of mlqa-1.0", id="another scorer"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(other: AnswerMetrics, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _part(q1=(100.0, 100.0)) + other


def test_a_test_set_without_questions_has_no_score() -> None:
    with pytest.raises(InputError, match="without questions"):
        _part().summary()
