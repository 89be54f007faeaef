"""Answers that are not at their offset in the passage: training cannot use them, evaluation compares texts only."""

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.utils.text import printable

logger = logging.getLogger(__name__)


class Misplaced(NamedTuple):
    """An answer whose text is not at its offset."""

    question_id: str
    answer: Answer
    found: str
    """Text at the offset: as many code points as the answer has, or fewer at the end of the context."""


def warn_about(place: str, questions: Sequence[Question], *, misplaced: str) -> None:
    """Warn about questions or passages without text and about misplaced answers.

    Args:
        place: name of the questions in messages.
        questions: the questions.
        misplaced: what becomes of the misplaced answers.
    """
    blank = [each for each in questions if not each.question.strip() or not each.context.strip()]
    if blank:
        logger.warning(
            "%s: %d of %d questions have no text in the question or in the passage; the first: question %s",
            *(place, len(blank), len(questions), printable(blank[0].id)),
        )
    if found := find_misplaced(questions):
        first = found[0]
        logger.warning(
            "%s: %d answers are not at their offset%s; the first: question %s should have %r at offset %d, but has %r",
            *(place, len(found), misplaced, printable(first.question_id), printable(first.answer.text)),
            *(first.answer.start, printable(first.found)),
        )


def find_misplaced(questions: Iterable[Question]) -> list[Misplaced]:
    """Return the answers whose text is empty or not at its offset, in their order."""
    return [
        Misplaced(question.id, answer, _text_at(question, answer))
        for question in questions
        for answer in question.answers
        if not _is_at_offset(question, answer)
    ]


def for_training(questions: Iterable[Question]) -> list[Question]:
    """Return the questions with only the answers that are at their offset; omit questions that have none.

    Training cannot use the other answers, which `find_misplaced` returns. Evaluation uses all questions, because it
    compares texts and not offsets.
    """
    kept = [
        dataclasses.replace(
            question, answers=tuple(answer for answer in question.answers if _is_at_offset(question, answer))
        )
        for question in questions
    ]
    return [question for question in kept if question.answers]


def _is_at_offset(question: Question, answer: Answer) -> bool:
    return answer.text != "" and _text_at(question, answer) == answer.text


def _text_at(question: Question, answer: Answer) -> str:
    """Return the text at the offset of an answer; a negative offset is before the context, not at its end."""
    return question.context[answer.start : answer.start + len(answer.text)] if answer.start >= 0 else ""
