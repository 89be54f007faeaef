import pytest
from tiny import make_sample

from clism_core.pretraining.evaluation.baselines import longest_unaligned_run_exact_match, random_run_exact_match


@pytest.mark.parametrize(
    ("target", "answers", "expected"),
    [
        pytest.param("Tom mag Anna Lena sehr", ["Anna Lena"], 1 / 2, id="one of two runs"),
        pytest.param("Tom mag Anna Lena sehr", ["Lena"], 0.0, id="part of a run"),
        pytest.param("im Mai 1984 war es kalt", ["Mai 1984"], 1.0, id="capitals and digits run together"),
        pytest.param("Tom und Eva und Udo", ["Tom", "Udo"], 2 / 3, id="two spans of three runs"),
        pytest.param("في باريس عام", ["باريس"], 1 / 3, id="no capitals: a random word"),
        pytest.param("في نيو يورك عام", ["نيو يورك"], 0.0, id="no capitals: two words are never drawn"),
    ],
)
def test_random_run(target: str, answers: list[str], expected: float) -> None:
    sample = make_sample(target, [("", answer) for answer in answers])
    assert random_run_exact_match(sample) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("question", "answer", "alignment", "expected"),
    [
        # Tom met Anna Lee yesterday . -> gestern traf Tom Anna Lee .
        pytest.param("Anna Lee", "Anna Lee", "0-2 1-1 2-3 3-4 4-0 5-5", 1.0, id="all else is explained"),
        pytest.param("Anna Lee", "Anna Lee", "0-2 1-1 4-0", 0.0, id="the full stop joins the run"),
        pytest.param("Tom", "Tom", "1-1 4-0 5-5", 0.0, id="a longer run elsewhere joins it"),
        pytest.param("Tom", "Tom", "1-1 2-3 3-4 5-5", 0.0, id="first of equal runs: yesterday"),
    ],
)
def test_longest_unaligned_run(question: str, answer: str, alignment: str, expected: float) -> None:
    sample = make_sample(
        "gestern traf Tom Anna Lee .", [(question, answer)], source="Tom met Anna Lee yesterday .", alignment=alignment
    )
    assert longest_unaligned_run_exact_match(sample) == expected


def test_longest_unaligned_run_is_the_same_guess_for_all_spans() -> None:
    sample = make_sample(
        "gestern traf Tom Anna Lee .",
        [("Tom", "Tom"), ("Anna Lee", "Anna Lee")],
        source="Tom met Anna Lee yesterday .",
        alignment="0-2 1-1 2-3 3-4 4-0 5-5",
    )
    assert longest_unaligned_run_exact_match(sample) == 0.0  # the two masked spans are one run of three


def test_without_unaligned_words_there_is_no_match() -> None:
    sample = make_sample("Tom", [("Tom", "Tom")], source="Tom .", alignment="1-0")
    assert longest_unaligned_run_exact_match(sample) == 0.0
