import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from clism_core.tasks.mrc.answer_offsets import Misplaced, find_misplaced
from clism_core.tasks.mrc.squad_format import (
    Answer,
    Question,
    mlqa_languages,
    read_questions,
)
from clism_core.utils import storage
from clism_core.utils.errors import InputError

HINDI = "😀 दिल्ली भारत की राजधानी है।"
"""Begins with a character of two UTF-16 units; दिल्ली is six code points, so that भारत begins at 2 + 6 + 1 = 9."""


def qas(name: str = "q1", **fields: Any) -> dict[str, Any]:
    record = {"id": name, "question": "Where?", "answers": [{"text": "Rome", "answer_start": 3}]}
    return {field: value for field, value in (record | fields).items() if value is not ...}


def squad(*questions: dict[str, Any], context: str = "In Rome.", **article: Any) -> dict[str, Any]:
    return {"version": "1.1", "data": [{**article, "paragraphs": [{"context": context, "qas": list(questions)}]}]}


def write_json(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def test_questions_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    content = {
        "data": [
            squad(qas("b"), qas("a", answers=[{"text": "In", "answer_start": 0}] * 2), title="Rome")["data"][0],
            squad(qas("c", id="c", is_impossible=False, plausible_answers=[]), context="")["data"][0],
        ]
    }
    assert read_questions(write_json(tmp_path / "x.json", content)) == [
        Question("b", "Where?", "In Rome.", (Answer("Rome", 3),), "Rome"),
        Question("a", "Where?", "In Rome.", (Answer("In", 0), Answer("In", 0)), "Rome"),
        Question("c", "Where?", "", (Answer("Rome", 3),)),
    ]


@pytest.mark.parametrize("flag", [False, "false", "False", 0, None])
def test_answerable_questions_may_say_so_in_several_ways(tmp_path: Path, flag: Any) -> None:
    content = squad(qas(is_impossible=flag))
    assert [found.id for found in read_questions(write_json(tmp_path / "x.json", content))] == ["q1"]


def test_offsets_are_code_points(tmp_path: Path) -> None:
    answers = [{"text": "भारत", "answer_start": 9}]
    (found,) = read_questions(write_json(tmp_path / "x.json", squad(qas(answers=answers), context=HINDI)))
    assert find_misplaced([found]) == []
    utf16 = dataclasses.replace(found, answers=(Answer("भारत", 10),))
    assert find_misplaced([utf16]) == [Misplaced("q1", Answer("भारत", 10), "ारत ")]


def test_byte_order_mark_and_compression(tmp_path: Path) -> None:
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps(squad(qas())).encode()))
    assert [found.id for found in read_questions(str(path))] == ["q1"]


def test_questions_in_a_bucket(bucket: str) -> None:
    path = f"{bucket}/mlqa/test-context-ar-question-de.json"
    storage.write_bytes(path, json.dumps(squad(qas())).encode())
    (found,) = read_questions(path)
    assert (found.context_language, found.question_language) == ("ar", "de")


@pytest.mark.parametrize(
    ("path", "languages"),
    [
        pytest.param("test-context-ar-question-de.json", ("ar", "de"), id="test"),
        pytest.param("s3://bucket/MLQA_V1/dev/dev-context-zh-question-zh.json", ("zh", "zh"), id="dev-in-bucket"),
        pytest.param("test-context-en-question-vi.json.gz", ("en", "vi"), id="compressed"),
        pytest.param("xquad.ar.json", None, id="xquad"),
        pytest.param("test-context-ar-question-de.json/x.json", None, id="folder-is-no-name"),
        pytest.param("my-test-context-ar-question-de.json", None, id="other-beginning"),
    ],
)
def test_languages_in_mlqa_file_names(path: str, languages: tuple[str, str] | None) -> None:
    assert mlqa_languages(path) == languages


@pytest.mark.parametrize(
    ("name", "language", "expected"),
    [
        pytest.param("xquad.ar.json", None, (None, None), id="nobody-says"),
        pytest.param("xquad.ar.json", "ar", ("ar", "ar"), id="given"),
        pytest.param("x.json", "ar-de", ("ar", "de"), id="given-pair"),
        pytest.param("x.json", "zh-Hans", ("zh-Hans", "zh-Hans"), id="script-is-no-pair"),
        pytest.param("test-context-en-question-en.json", "en", ("en", "en"), id="given-and-named"),
        pytest.param("test-context-ar-question-de.json", "ar-de", ("ar", "de"), id="given-and-named-pair"),
    ],
)
def test_language(tmp_path: Path, name: str, language: str | None, expected: tuple[str | None, str | None]) -> None:
    (found,) = read_questions(write_json(tmp_path / name, squad(qas())), language=language)
    assert (found.context_language, found.question_language) == expected


@pytest.mark.parametrize("language", ["ar", "de", "de-ar"])
def test_a_language_that_contradicts_the_file_name_is_rejected(tmp_path: Path, language: str) -> None:
    path = write_json(tmp_path / "test-context-ar-question-de.json", squad(qas()))
    with pytest.raises(InputError, match=rf"language is '{language}'.*contexts are ar .* give language: ar-de"):
        read_questions(path, language=language)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param({"data": []}, "has no questions", id="empty"),
        pytest.param([], "Input should be an object", id="no-object"),
        pytest.param({"questions": []}, "data: Field required", id="no-data"),
        pytest.param(
            squad(qas(question=...)), r"data\[0\]\.paragraphs\[0\]\.qas\[0\]\.question: Field req", id="no-question"
        ),
        pytest.param(
            squad(qas(), qas("q2", answers=...)), r"paragraphs\[0\]\.qas\[1\]\.answers: Field required", id="no-answers"
        ),
        pytest.param(
            squad(qas(answers=[{"text": "Rome", "answer_start": "3"}])),
            r"answers\[0\]\.answer_start: Input should be a valid integer",
            id="offset-is-text",
        ),
        pytest.param(squad(qas(id=7)), r"qas\[0\]\.id: Input should be a valid string", id="id-is-number"),
        pytest.param(
            squad(qas("q1"), qas("q2"), qas("q1")),
            r"duplicate id: .*qas\[2\]\.id is 'q1', as in data\[0\]\.paragraphs\[0\]\.qas\[0\]",
            id="duplicate-id",
        ),
        pytest.param(
            squad(
                qas("q1"),
                qas("q2", answers=[], is_impossible=True),
                qas("q3", answers=[]),
                qas("q4", answers=..., is_impossible=True),
                qas("q5", is_impossible=True),
            ),
            r"4 of 5 questions are unanswerable .* remove them",
            id="unanswerable",
        ),
        pytest.param(
            squad(qas("q1", answers=[{"text": "", "answer_start": 0}])),
            "all answers are empty, .* give the official file",
            id="answers-taken-away",
        ),
        pytest.param(
            squad(qas("q1"), qas("q2", answers=[{"text": " ", "answer_start": -1}, {"text": "", "answer_start": 0}])),
            r"1 of 2 questions are unanswerable .* remove them",
            id="empty-answers-of-one",
        ),
        *(
            pytest.param(
                squad(qas("q1"), qas("q2", is_impossible=value)),
                "1 of 2 questions are unanswerable",
                id=f"impossible-{value!r}",
            )
            for value in ("true", "True", "TRUE", 1, "1", "yes")
        ),
        pytest.param(squad(qas(is_impossible="maybe")), r"is_impossible: Input should be a valid bool", id="no-flag"),
        pytest.param(squad(qas(question=None)), r"qas\[0\]\.question: Input should be a valid string", id="null"),
        pytest.param(squad(qas(answers=[None])), r"answers\[0\]: Input should be an object", id="null-answer"),
        pytest.param(
            {"data": [{"paragraphs": [{"context": None, "qas": [qas()]}]}]},
            r"context: Input should be a valid string",
            id="null-context",
        ),
    ],
)
def test_invalid_content_is_rejected(tmp_path: Path, content: Any, message: str) -> None:
    path = write_json(tmp_path / "x.json", content)
    with pytest.raises(InputError, match=message) as raised:
        read_questions(path)
    assert str(raised.value).startswith(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b'{"data": [', r"Invalid JSON: .* at line 1 column 10", id="cut-off"),
        pytest.param(b'{"data": "\xff"}', r"line 1: byte 0xff is invalid in encoding utf-8", id="another-encoding"),
        pytest.param(b"PK\x03\x04\xff", r"is a zip archive, which is not supported; unpack it", id="zip"),
        pytest.param(b"\xfd7zXZ\x00", r"is compressed with xz; decompress it", id="xz"),
        pytest.param(b"<!DOCTYPE html><html>", r"is HTML, not plain text; it may be an error page", id="html"),
        pytest.param(
            b"version https://git-lfs.github.com/spec/v1\n", r"is a Git LFS pointer, not the file itself", id="lfs"
        ),
        pytest.param(b"PAR1\x15\x04", r"in the format Parquet, not text; give its folder as a data set", id="parquet"),
        pytest.param('{"data": []}'.encode("utf-16-le"), r"is in UTF-16-LE; give encoding: utf-16-le", id="utf-16"),
        pytest.param(b'{"id": 1}\n{"id": 2}\n', r"Invalid JSON: trailing characters at line 2", id="json-lines"),
        pytest.param(
            json.dumps(squad(qas(question="\ud83d"))).encode(), r"Invalid JSON: .* hex escape", id="lone-surrogate"
        ),
    ],
)
def test_files_that_are_not_json_are_rejected(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_questions(str(path))


def test_a_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.json cannot be read"):
        read_questions(str(tmp_path / "gone.json"))


def test_training_data_may_have_duplicate_ids(tmp_path: Path) -> None:
    path = write_json(tmp_path / "x.json", squad(qas("q1"), qas("q1", question="In which town?")))
    assert [found.question for found in read_questions(path, unique_ids=False)] == ["Where?", "In which town?"]


def test_reading_keeps_misplaced_answers_for_evaluation(tmp_path: Path) -> None:
    answers = [{"text": "Rome", "answer_start": 99}]
    (found,) = read_questions(write_json(tmp_path / "x.json", squad(qas(answers=answers))))
    assert found.answers == (Answer("Rome", 99),)
