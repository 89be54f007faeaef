import pytest

from clism_core.tasks.mrc.scorers import AnswerMetrics, AnswerScore
from clism_core.utils.errors import InputError


def _metrics(scorer: str = "squad-1.1", **scores: tuple[float, float]) -> AnswerMetrics:
    return AnswerMetrics(scorer=scorer, scores={question: AnswerScore(*score) for question, score in scores.items()})


def test_scores_are_means_over_all_questions() -> None:
    whole = _metrics(q3=(100.0, 100.0), q1=(0.0, 50.0), q2=(0.0, 0.0))
    expected = {"exact_match": pytest.approx(100 / 3), "f1": 50.0, "n": 3, "scorer": "squad-1.1"}
    assert whole.summary() == expected


def test_scores_do_not_depend_on_the_order_of_questions() -> None:
    scores = {f"q{i}": AnswerScore(0.0, 100 / (i + 3)) for i in range(50)}
    forward = AnswerMetrics(scorer="squad-1.1", scores=scores)
    backward = AnswerMetrics(scorer="squad-1.1", scores=dict(reversed(scores.items())))
    assert forward.summary() == backward.summary()
    assert forward.examples("f1").ids == backward.examples("f1").ids
    assert list(forward.examples("f1").numerators) == list(backward.examples("f1").numerators)


def test_examples_keep_the_named_score_of_each_question() -> None:
    examples = _metrics(q2=(0.0, 50.0), q1=(100.0, 90.0)).examples("f1")
    assert (examples.ids, list(examples.numerators), examples.value) == (("q1", "q2"), [90.0, 50.0], 70.0)
    assert (examples.scorer, examples.score) == ("squad-1.1", "f1")
    assert _metrics(q1=(100.0, 90.0)).examples("exact_match").value == 100.0


def test_a_test_set_without_questions_is_rejected() -> None:
    with pytest.raises(InputError, match="without questions"):
        _metrics().summary()
