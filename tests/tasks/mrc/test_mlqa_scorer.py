"""The figures are those of `mlqa_evaluation_v1.py` on the same answers."""

import pytest

from clism_core.tasks.mrc import mlqa_scorer as mlqa
from clism_core.utils.errors import InputError


@pytest.mark.parametrize(
    ("language", "prediction", "answers", "exact_match", "f1"),
    [
        pytest.param("en", "The Beatles’", ["Beatles"], 100, 100, id="en: Unicode punctuation"),
        pytest.param("en", "$5.00", ["500"], 100, 100, id="en: symbols of ASCII"),
        pytest.param("en", "the", [""], 100, 0, id="en: nothing left on either side"),
        pytest.param("en", "two of the three", ["three", "one of two"], 0, 200 / 3, id="en: the best answer"),
        pytest.param("ar", "الكتاب", ["كتاب"], 100, 100, id="ar: article"),
        pytest.param("ar", "والكتاب الجديد", ["الكتاب الجديد", "كتاب"], 0, 80, id="ar: clitic before the article"),
        pytest.param("ar", "خالد، علي", ["خالد علي"], 100, 100, id="ar: comma"),
        pytest.param("ar", "خد", ["خالد"], 0, 0, id="ar: article's letters within a word part it"),
        pytest.param("ar", "القاهرة؟", ["في القاهرة"], 0, 200 / 3, id="ar: question mark"),
        pytest.param("de", "der Bundestag", ["Bundestag"], 100, 100, id="de: article"),
        pytest.param("de", "in einem Haus", ["in dem großen Haus"], 0, 80, id="de: cases"),
        pytest.param("de", "„Faust“", ["Faust"], 100, 100, id="de: quotes"),
        pytest.param("es", "¿El Greco?", ["greco"], 100, 100, id="es: article and marks"),
        pytest.param("es", "unos años", ["algunos años"], 0, 200 / 3, id="es: articles are whole words"),
        pytest.param("hi", "१९४७।", ["१९४७"], 100, 100, id="hi: danda"),
        pytest.param("hi", "the दिल्ली", ["दिल्ली"], 0, 200 / 3, id="hi: no articles, not English ones either"),
        pytest.param("vi", "là của cái chiếc Hà Nội", ["Hà Nội", "thành phố Hà Nội"], 100, 100, id="vi: articles"),
        pytest.param("vi", "lành", ["là lành"], 100, 100, id="vi: articles are whole words"),
        pytest.param("zh", "北京，上海", ["北京上海"], 100, 100, id="zh: punctuation"),
        pytest.param("zh", "在北京", ["北京市"], 0, 200 / 3, id="zh: characters are tokens"),
        pytest.param("zh", "GDP增长 3.5%", ["GDP 增长"], 0, 600 / 7, id="zh: other scripts by white space"),
        pytest.param("zh", "《红楼梦》", ["紅樓夢", "红楼"], 0, 80, id="zh: variants differ"),
        pytest.param("zh", "龦龦", ["龦"], 0, 0, id="zh: characters after U+9FA5 are not parted"),
    ],
)
def test_scores_as_the_official_scorer_does(
    language: str, prediction: str, answers: list[str], exact_match: float, f1: float
) -> None:
    found = mlqa.score(prediction=prediction, answers=answers, language=language)
    assert found.exact_match == exact_match
    assert found.f1 == pytest.approx(f1)


@pytest.mark.parametrize("language", ["fr", "ZH", ""])
def test_an_unknown_language_is_rejected(language: str) -> None:
    with pytest.raises(
        InputError,
        match=f"'{language}' is unsupported by the MLQA scorer: give one of en, ar, de, es, hi, vi, zh",
    ):
        mlqa.score(prediction="Paris", answers=["Paris"], language=language)


def test_a_question_without_answers_is_rejected() -> None:
    with pytest.raises(InputError, match="without gold answers"):
        mlqa.score(prediction="Paris", answers=[], language="en")
