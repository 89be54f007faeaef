"""The figures are those of SQuAD's `evaluate-v1.1.py` on the same answers."""

import pytest

from clism_core.tasks.mrc import squad_scorer as squad
from clism_core.utils.errors import InputError


@pytest.mark.parametrize(
    ("prediction", "answers", "exact_match", "f1"),
    [
        pytest.param("a man, an apple", ["man apple"], 100, 100, id="articles and punctuation"),
        pytest.param("$5.00", ["500"], 100, 100, id="symbols of ASCII"),
        pytest.param("The Beatles’", ["Beatles"], 0, 0, id="punctuation beyond ASCII stays"),
        pytest.param("theatre", ["atre"], 0, 0, id="a word that begins as an article"),
        pytest.param("clothe", ["clo"], 0, 0, id="a word that ends as an article"),
        pytest.param("a-ha", ["aha"], 100, 100, id="punctuation goes before articles"),
        pytest.param("two of the three", ["three", "one of two"], 0, 200 / 3, id="the best answer"),
        pytest.param("new new york", ["new york york"], 0, 200 / 3, id="a token counts as often as both have it"),
        pytest.param("the", [""], 100, 0, id="nothing left on either side"),
        pytest.param("", ["Paris"], 0, 0, id="no answer"),
        pytest.param("der Bundestag", ["Bundestag"], 0, 200 / 3, id="articles of other languages stay"),
        pytest.param("¿El Greco?", ["greco"], 0, 200 / 3, id="Spanish punctuation"),
        pytest.param("والكتاب الجديد", ["الكتاب الجديد", "كتاب"], 0, 50, id="Arabic"),
        pytest.param("北京，上海", ["北京上海"], 0, 0, id="Chinese is one token"),
        pytest.param("the दिल्ली\u00a0नई", ["दिल्ली नई"], 100, 100, id="white space of any kind"),
    ],
)
def test_scores_as_the_official_scorer_does(prediction: str, answers: list[str], exact_match: float, f1: float) -> None:
    found = squad.score(prediction=prediction, answers=answers)
    assert found.exact_match == exact_match
    assert found.f1 == pytest.approx(f1)


def test_exact_match_and_f1_take_their_best_answers_independently() -> None:
    # neither answer is matched exactly; the first shares 1 of 2 + 1 tokens, the second 2 of 2 + 4
    assert squad.score(prediction="north pole", answers=["pole", "the pole far up north"]).f1 == pytest.approx(200 / 3)


def test_a_question_without_answers_is_rejected() -> None:
    with pytest.raises(InputError, match="without gold answers"):
        squad.score(prediction="Paris", answers=[])
