"""Reader of questions in SQuAD format: SQuAD 1.1, MLQA, XQuAD, TyDiQA GoldP and others with the same layout."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clism_core.tasks.hub import HubSplit, hub_rows
from clism_core.tasks.text_files import read_text
from clism_core.utils.errors import InputError
from clism_core.utils.text import printable

_MLQA_NAME = re.compile(r"(?:test|dev)-context-([a-z]{2,3})-question-([a-z]{2,3})\.json(?:\.\w+)?")
_LANGUAGE_PAIR = re.compile(r"([a-z]{2,3})-([a-z]{2,3})")

_OFFICIAL = {
    "mlqa": "those in MLQA_V1.zip",
    "xquad": "xquad.ar.json and so on",
    "squad": "train-v1.1.json and dev-v1.1.json",
    "tydiqa": "those of the gold passage task",
}


class Answer(NamedTuple):
    """An answer as the annotator marked it."""

    text: str
    start: int
    """Offset in the context, in code points."""


@dataclass(frozen=True)
class Question:
    """A question over a passage that contains the answer."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...]
    """Gold answers, at least one; questions in test sets often have several, any of which is right."""
    title: str | None = None
    """Title of the article that contains the passage; None if the file does not have it."""
    context_language: str | None = None
    question_language: str | None = None
    """Both languages are None if unknown; they differ only in MLQA's cross-lingual pairs."""


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Answer(_Record):
    text: str
    answer_start: int


_Flag = Annotated[bool | None, Field(strict=False)]
"""Truth value, also as a text ("true", "True") or a number; null is false."""


class _Qas(_Record):
    id: str
    question: str
    answers: list[_Answer] | None = None
    is_impossible: _Flag = False


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
    is_impossible: _Flag = False


class _Article(_Record):
    title: str | None = None
    paragraphs: list[_Paragraph]


class _File(_Record):
    data: list[_Article]


def read_questions(source: str | HubSplit, *, language: str | None = None, unique_ids: bool = True) -> list[Question]:
    """Return the questions of a file or of a split on the hub; see `read_question_file` and `read_hub_questions`."""
    if isinstance(source, HubSplit):
        return read_hub_questions(source, language=language, unique_ids=unique_ids)
    return read_question_file(source, language=language, unique_ids=unique_ids)


def read_question_file(path: str, *, language: str | None = None, unique_ids: bool = True) -> list[Question]:
    """Return the questions of a file in SQuAD format, local or s3://, in file order.

    Answers that are not at their offset are returned unchanged: see `find_misplaced` of `answer_offsets`.

    Args:
        path: the file.
        language: language of the file: `ar`, or `ar-de` for Arabic contexts and German questions. None: taken from the
            name of a file that is named like MLQA's, unknown for others.
        unique_ids: reject duplicate ids. Evaluation matches predictions by id; training files that are merged from
            several often have duplicate ids.

    Raises:
        InputError: if the file cannot be read, lacks a field, has no questions, only empty answers or any unanswerable
            questions (SQuAD 2.0), if its name contradicts `language`, or if ids are duplicate and `unique_ids` is set.
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
    """Return the questions of table rows with the columns of SQuAD, such as those on the Hugging Face Hub.

    A row has `id`, `question`, `context`, `answers` (`text` and `answer_start`, two lists of equal length) and
    optionally `title` and `is_impossible`. Error messages refer to the table as `name`. For everything else, errors
    included, see `read_question_file`.
    """
    return _collect(name, _walk_rows(name, rows), languages=_languages(name, language), unique_ids=unique_ids)


def read_hub_questions(data: HubSplit, *, language: str | None = None, unique_ids: bool = True) -> list[Question]:
    """Return the questions of a split with the columns of SQuAD; see `questions_of_rows`.

    Raises:
        InputError: as `questions_of_rows` and `hub_rows` do.
    """
    with hub_rows(data, columns=("id", "question", "context", "answers"), official=_OFFICIAL) as rows:
        return questions_of_rows(data.title, rows, language=language, unique_ids=unique_ids)


def mlqa_languages(path: str) -> tuple[str, str] | None:
    """Return the languages of contexts and questions in an MLQA file name; None for other names.

    MLQA names its files `test-context-ar-question-de.json` and `dev-context-ar-question-de.json`.
    """
    match = _MLQA_NAME.fullmatch(posixpath.basename(path))
    return None if match is None else (match[1], match[2])


def _collect(
    path: str,
    entries: Iterable[tuple[str, str | None, str, _Qas]],
    *,
    languages: tuple[str | None, str | None],
    unique_ids: bool,
) -> list[Question]:
    """Return the questions in the entries that `_walk` yields; raises `InputError` as `read_question_file` does."""
    questions, places, unanswerable, blank = [], dict[str, str](), 0, 0
    for place, title, context, qas in entries:
        if qas.answers is None and not qas.is_impossible:
            raise InputError(f"{path}: {place}.answers: Field required; give a file in SQuAD format")
        if unique_ids and qas.id in places:
            raise InputError(
                f"{path}: duplicate id: {place}.id is {qas.id!r}, as in {places[qas.id]}; give each question its own id"
            )
        places[qas.id] = place
        if qas.is_impossible or not qas.answers:
            unanswerable += 1
            continue
        if not any(answer.text.strip() for answer in qas.answers):
            blank += 1
            continue
        answers = tuple(Answer(answer.text, answer.answer_start) for answer in qas.answers)
        questions.append(Question(qas.id, qas.question, context, answers, title, *languages))
    if blank and not questions and not unanswerable:
        raise InputError(
            f"{path}: all answers are empty, as in test sets that are distributed without labels; give the official "
            "file"
        )
    if unanswerable or blank:
        raise InputError(
            f"{path}: {unanswerable + blank} of {unanswerable + blank + len(questions)} questions are unanswerable "
            "(is_impossible is true, or all answers are empty), as in SQuAD 2.0, which is unsupported; remove them"
        )
    if not questions:
        raise InputError(f"{path} has no questions; give a file in SQuAD format")
    return questions


def _walk(content: _File) -> Iterator[tuple[str, str | None, str, _Qas]]:
    """Yield for each question its place in the file, its title, its context and the entry itself."""
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
                f"{name}, row {number}: answers has {len(texts)} entries in text but {len(starts)} in answer_start; "
                "give lists of equal length"
            )
        answers = [_Answer(text=text, answer_start=start) for text, start in zip(texts, starts, strict=True)]
        qas = _Qas(id=row.id, question=row.question, answers=answers, is_impossible=row.is_impossible)
        yield f"row {number}", row.title, row.context, qas


def _languages(path: str, language: str | None) -> tuple[str | None, str | None]:
    from_name = mlqa_languages(path)
    if language is None:
        return from_name or (None, None)
    pair = _LANGUAGE_PAIR.fullmatch(language)
    configured = (pair[1], pair[2]) if pair else (language, language)
    if from_name is not None and from_name != configured:
        expected = from_name[0] if from_name[0] == from_name[1] else "-".join(from_name)
        raise InputError(
            f"{path}: language is {language!r}, but according to the file name the contexts are {from_name[0]} and the "
            f"questions {from_name[1]}; give language: {expected}"
        )
    return configured


def _explain(path: str, error: ValidationError) -> str:
    """Return the first problem in `error`, with its place."""
    first, *others = error.errors(include_url=False, include_input=False)
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).removeprefix(".")
    more = f" (and {len(others)} more)" if others else ""
    where = f"{place}: " if place else ""
    return f"{path}: {where}{printable(first['msg'])}{more}; give a file in SQuAD format"
