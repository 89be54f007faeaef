"""Questions in SQuAD format: SQuAD 1.1, MLQA, XQuAD, TyDiQA GoldP and all that look like them."""

import dataclasses
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from clism_core.tasks.hub import HubSplit, hub_rows
from clism_core.tasks.text_files import read_text
from clism_core.utils.errors import InputError
from clism_core.utils.text import printable

_MLQA_NAME = re.compile(r"(?:test|dev)-context-([a-z]{2,3})-question-([a-z]{2,3})\.json(?:\.\w+)?")
_LANGUAGE_PAIR = re.compile(r"([a-z]{2,3})-([a-z]{2,3})")

_OFFICIAL = {
    "mlqa": "those in MLQA_V1.zip",
    "xquad": "xquad.ar.json and its like",
    "squad": "train-v1.1.json and dev-v1.1.json",
    "tydiqa": "those of the gold passage task",
}


class Answer(NamedTuple):
    """An answer as the annotator has marked it."""

    text: str
    start: int
    """Where it begins in the context: the number of code points before it."""


@dataclass(frozen=True)
class Question:
    """A question over a passage that holds the answer."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...]
    """One or more; in test sets often several for one question, any of which is right."""
    title: str | None = None
    """The article that the passage is from; None where the file does not say."""
    context_language: str | None = None
    question_language: str | None = None
    """Both None where nobody says; they differ in MLQA's cross pairs only."""


class Misplaced(NamedTuple):
    """An answer whose text does not stand at its offset."""

    question_id: str
    answer: Answer
    found: str
    """What stands there instead: as many code points as the answer has, or fewer at the context's end."""


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Answer(_Record):
    text: str
    answer_start: int


class _Qas(_Record):
    id: str
    question: str
    answers: list[_Answer] | None = None
    is_impossible: bool = False


class _Paragraph(_Record):
    context: str
    qas: list[_Qas]


class _RowAnswers(_Record):
    text: list[str]
    answer_start: list[int]


class _Row(_Record):
    id: str
    question: str
    context: str
    answers: _RowAnswers
    title: str | None = None
    is_impossible: bool = False


class _Article(_Record):
    title: str | None = None
    paragraphs: list[_Paragraph]


class _File(_Record):
    data: list[_Article]


def read_questions(source: str | HubSplit, *, language: str | None = None, unique_ids: bool = True) -> list[Question]:
    """Return the questions of a file or of a split of the hub, as `read_question_file` and `read_hub_questions` do."""
    if isinstance(source, HubSplit):
        return read_hub_questions(source, language=language, unique_ids=unique_ids)
    return read_question_file(source, language=language, unique_ids=unique_ids)


def read_question_file(path: str, *, language: str | None = None, unique_ids: bool = True) -> list[Question]:
    """Return the questions of a file in SQuAD format, local or s3://, in its order.

    `language` is that of the file, `ar`, or `ar-de` where contexts are Arabic and questions German. None takes it from
    the name of a file that is named as MLQA's are, and leaves it open for others. `unique_ids` is for evaluation, which
    finds predictions by their ids; files for training that are put together from several often have ids twice. Answers
    that do not stand at their offset stay as they are: see `find_misplaced`.

    Raises `InputError` where the file cannot be read, lacks a field, has no questions, only empty answers or any
    questions that are unanswerable (SQuAD 2.0), where its name says another language, and where an id is there twice
    and `unique_ids` is set.
    """
    languages = _languages(path, language)
    try:
        content = _File.model_validate_json(read_text(path))
    except ValidationError as error:
        raise InputError(_explain(path, error)) from error
    return _collect(path, _walk(content), languages=languages, unique_ids=unique_ids)


def questions_of_rows(
    name: str, rows: Iterable[Mapping[str, Any]], *, language: str | None = None, unique_ids: bool = True
) -> list[Question]:
    """Return the questions of `rows` that have the columns of SQuAD as a table, such as those of the Hugging Face Hub.

    A row has `id`, `question`, `context`, `answers` (`text` and `answer_start`, two lists of one length) and, where
    they are known, `title` and `is_impossible`. `name` is what errors call the table. All else is as in
    `read_question_file`, which see, what it raises too.
    """
    found = _walk_rows(name, rows)
    return _collect(name, found, languages=_languages(name, language), unique_ids=unique_ids)


def read_hub_questions(data: HubSplit, *, language: str | None = None, unique_ids: bool = True) -> list[Question]:
    """Return the questions of a split with the columns of SQuAD, as `questions_of_rows` does.

    Raises `InputError` as that and `hub_rows` do.
    """
    with hub_rows(data, columns=("id", "question", "context", "answers"), official=_OFFICIAL) as rows:
        return questions_of_rows(data.title, rows, language=language, unique_ids=unique_ids)


def mlqa_languages(path: str) -> tuple[str, str] | None:
    """Return the languages of the contexts and of the questions that MLQA's file names say; None for other names.

    MLQA calls its files `test-context-ar-question-de.json` and `dev-context-...` likewise.
    """
    match = _MLQA_NAME.fullmatch(posixpath.basename(path))
    return None if match is None else (match[1], match[2])


def find_misplaced(questions: Iterable[Question]) -> list[Misplaced]:
    """Return the answers whose text does not stand at their offset, and those without a text, in their order."""
    return [
        Misplaced(question.id, answer, _text_at(question, answer))
        for question in questions
        for answer in question.answers
        if not _stands(question, answer)
    ]


def for_training(questions: Iterable[Question]) -> list[Question]:
    """Return the questions with only those answers that stand at their offset, and without questions that have none.

    The others cannot be learnt from; `find_misplaced` says which they are. Evaluation takes all questions, for it
    compares texts and not offsets.
    """
    kept = [
        dataclasses.replace(question, answers=tuple(answer for answer in question.answers if _stands(question, answer)))
        for question in questions
    ]
    return [question for question in kept if question.answers]


def _stands(question: Question, answer: Answer) -> bool:
    return answer.text != "" and _text_at(question, answer) == answer.text


def _text_at(question: Question, answer: Answer) -> str:
    """Return what stands at the offset of an answer; a negative one is before the context, not at its end."""
    return question.context[answer.start : answer.start + len(answer.text)] if answer.start >= 0 else ""


def _collect(
    path: str,
    found: Iterable[tuple[str, str | None, str, _Qas]],
    *,
    languages: tuple[str | None, str | None],
    unique_ids: bool,
) -> list[Question]:
    """Return the questions among what `_walk` has found; raises `InputError` as `read_question_file` does."""
    questions, places, unanswerable = [], dict[str, str](), 0
    for place, title, context, qas in found:
        if qas.answers is None and not qas.is_impossible:
            raise InputError(f"{path}: {place}.answers: Field required; give a file in SQuAD format")
        if unique_ids and qas.id in places:
            raise InputError(
                f"{path}: {place}.id is {qas.id!r}, as is that of {places[qas.id]}; give each question an id of its own"
            )
        places[qas.id] = place
        if qas.is_impossible or not qas.answers:
            unanswerable += 1
            continue
        answers = tuple(Answer(answer.text, answer.answer_start) for answer in qas.answers)
        questions.append(Question(qas.id, qas.question, context, answers, title, *languages))
    if unanswerable:
        raise InputError(
            f"{path}: {unanswerable} of {unanswerable + len(questions)} questions are unanswerable (is_impossible is "
            "true, or answers empty), as in SQuAD 2.0, and those are out of scope; leave them out"
        )
    if not questions:
        raise InputError(f"{path} has no questions; give a file in SQuAD format")
    if not any(answer.text for question in questions for answer in question.answers):
        raise InputError(
            f"{path}: no question has an answer with a text; scripts that hand out test sets without labels write such "
            "files: give the official one"
        )
    return questions


def _walk(content: _File) -> Iterator[tuple[str, str | None, str, _Qas]]:
    """Yield the place of each question in the file, its title and context, and itself."""
    for i, article in enumerate(content.data):
        for j, paragraph in enumerate(article.paragraphs):
            for k, qas in enumerate(paragraph.qas):
                yield f"data[{i}].paragraphs[{j}].qas[{k}]", article.title, paragraph.context, qas


def _walk_rows(name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str | None, str, _Qas]]:
    for number, values in enumerate(rows, start=1):
        try:
            row = _Row.model_validate(values)
        except ValidationError as error:
            raise InputError(_explain(f"{name}, row {number}", error)) from error
        texts, starts = row.answers.text, row.answers.answer_start
        if len(texts) != len(starts):
            raise InputError(
                f"{name}, row {number}: answers has {len(texts)} in text but {len(starts)} in answer_start; give as "
                "many of one as of the other"
            )
        answers = [_Answer(text=text, answer_start=start) for text, start in zip(texts, starts, strict=True)]
        qas = _Qas(id=row.id, question=row.question, answers=answers, is_impossible=row.is_impossible)
        yield f"row {number}", row.title, row.context, qas


def _languages(path: str, language: str | None) -> tuple[str | None, str | None]:
    named = mlqa_languages(path)
    if language is None:
        return named or (None, None)
    pair = _LANGUAGE_PAIR.fullmatch(language)
    given = (pair[1], pair[2]) if pair else (language, language)
    if named is not None and named != given:
        raise InputError(
            f"{path}: language is {language!r}, but the file's name says that its contexts are {named[0]} and its "
            f"questions {named[1]}; give language: {named[0] if named[0] == named[1] else '-'.join(named)}"
        )
    return given


def _explain(path: str, error: ValidationError) -> str:
    """Return the first of the problems that `error` has found, and where it is."""
    first, *others = error.errors(include_url=False, include_input=False)
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).removeprefix(".")
    more = f" (and {len(others)} more)" if others else ""
    where = f"{place}: " if place else ""
    return f"{path}: {where}{printable(first['msg'])}{more}; give a file in SQuAD format"
