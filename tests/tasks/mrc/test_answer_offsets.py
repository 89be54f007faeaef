import pytest

from clism_core.tasks.mrc.answer_offsets import Misplaced, find_misplaced, for_training, warn_about
from clism_core.tasks.mrc.squad_format import Answer, Question


def question(*answers: Answer, name: str = "q1", context: str = "In Rome.") -> Question:
    return Question(name, "Where?", context, answers)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        pytest.param(Answer("Rome", 2), " Rom", id="one-before"),
        pytest.param(Answer("rome", 3), "Rome", id="other-case"),
        pytest.param(Answer("Rome.", 6), "e.", id="beyond-the-end"),
        pytest.param(Answer(".", -1), "", id="negative"),
        pytest.param(Answer("", 3), "", id="empty"),
    ],
)
def test_misplaced_answers_are_reported_and_omitted_from_training(answer: Answer, found: str) -> None:
    right = Answer("Rome", 3)
    questions = [question(answer, right), question(answer, name="q2"), question(right, name="q3")]
    assert find_misplaced(questions) == [Misplaced("q1", answer, found), Misplaced("q2", answer, found)]
    assert for_training(questions) == [question(right), question(right, name="q3")]


@pytest.mark.parametrize(
    ("questions", "warnings"),
    [
        pytest.param([question(Answer("Rome", 3))], [], id="right"),
        pytest.param(
            [question(Answer("Rome", 2)), question(Answer("Rome", 3))],
            [
                "data: 1 answers are not at their offset and are lost; the first: question q1 should have 'Rome' at "
                "offset 2, but has ' Rom'"
            ],
            id="misplaced",
        ),
        pytest.param(
            [question(Answer("Rome", 3)), Question("q2", " \n", "In Rome.", (Answer("Rome", 3),))],
            ["data: 1 of 2 questions have no text in the question or in the passage; the first: question q2"],
            id="blank",
        ),
    ],
)
def test_warnings(caplog: pytest.LogCaptureFixture, questions: list[Question], warnings: list[str]) -> None:
    warn_about("data", questions, misplaced=" and are lost")
    assert [record.getMessage() for record in caplog.records] == warnings
