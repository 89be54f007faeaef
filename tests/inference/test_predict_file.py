"""Prediction over files without Ray and without a model: an invented predictor answers with the first word."""

import csv
import dataclasses
import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pickled import pickled_column
from tiny import write_encoder

from clism_core.inference.chunks import Layout, PredictedChunk, predict_chunk
from clism_core.inference.config import PredictConfig
from clism_core.inference.partial_results import PartialResults
from clism_core.inference.predict_file import Plan, _check_paths, _layout, finish, rejects_path, write_output
from clism_core.inference.records import check_columns
from clism_core.inference.row_readers import file_format, read_chunks, rows_of
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.predictor import MrcPredictor
from clism_core.tasks.predictor import Predicted
from clism_core.tasks.registry import TaskName
from clism_core.tasks.task import RecordFields
from clism_core.utils import storage
from clism_core.utils.arrow import stream_bytes
from clism_core.utils.errors import InputError


def first_words(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Answer each question with the first word of its passage; the first token of a sentence is a place."""
    predictions: list[dict[str, Any]] = []
    for record in records:
        if "context" in record:
            word = record["context"].split()[0]
            predictions.append({"answer": word, "score": 0.5, "start": 0, "end": len(word)})
        else:
            word = record["tokens"][0] if "tokens" in record else record["text"].split()[0]
            entity = {"label": "LOC", "text": word, "start": 0, "end": 1, "score": 0.25}
            predictions.append({"entities": [entity]})
    return predictions


FIRST_WORDS: Any = SimpleNamespace(predict=lambda records: Predicted(first_words(records), [False] * len(records)))


def predict(
    source: Path, target: Path, *, task: TaskName = "mrc", rows_per_chunk: int = 2, **options: Any
) -> tuple[dict[str, int], PredictConfig]:
    """Predict a file chunk by chunk; return the counts of rejected rows."""
    config = PredictConfig(model="m", input=str(source), output=str(target), **options)
    formats = file_format(config.input, option="input"), file_format(config.output, option="output")
    layout = _layout(config, task, *formats)
    done = write_output(chunks(config, layout, rows_per_chunk), config=config, layout=layout)
    return dict(done.rejected), config


def chunks(config: PredictConfig, layout: Layout, rows_per_chunk: int) -> Iterator[PredictedChunk]:
    for chunk in read_chunks(config.input, rows_per_chunk=rows_per_chunk):
        yield predict_chunk(chunk, predictor=FIRST_WORDS, layout=layout, config=config)


def rows(path: Path) -> list[dict[str, Any]]:
    """Read a file of any of the formats by other means than the job's."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if ".jsonl" in path.name:
        return [json.loads(line) for line in content.decode().splitlines()]
    if ".csv" in path.name:
        return list(csv.DictReader(content.decode().splitlines(keepends=True)))
    table: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return table


QUESTIONS: list[dict[str, Any]] = [
    {"id": "007", "question": "Wo?", "context": 'Rom, sagte\n"sie".'},
    {"id": "null", "question": "كم؟", "context": "三 days"},
    {"id": "", "question": "¿Qué?", "context": "Ábc , d"},
]
COLUMNS = ["question", "context", "answer", "score", "start", "end"]
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in COLUMNS[:3]),
        ("score", pa.float64()),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)
ANSWERS = [("Rom,", 4), ("三", 1), ("Ábc", 3)]


def write_questions(path: Path) -> None:
    if ".jsonl" in path.name:
        text = "".join(json.dumps(row) + "\n" for row in QUESTIONS)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    elif ".csv" in path.name:
        with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "question", "context"])
            writer.writeheader()
            writer.writerows(QUESTIONS)
    else:
        pq.write_table(pa.Table.from_pylist(QUESTIONS), path)


def test_truncated_questions_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = write_encoder("xlmr", tmp_path / "encoder")
    small = MrcConfig(max_length=64, stride=8, max_question_length=16)
    predictor = MrcPredictor(MrcModel.begin(str(encoder), small, seed=0))
    questions = ["Wo?", "Where was she born " * 20, "Who is it " * 20]
    text = "".join(json.dumps({"question": question, "context": "In Rom."}) + "\n" for question in questions)
    (tmp_path / "x.jsonl").write_text(text)
    config = PredictConfig(model="m", input=str(tmp_path / "x.jsonl"), output=str(tmp_path / "y.jsonl"))
    layout = _layout(config, "mrc", "jsonl", "jsonl")
    caplog.clear()
    made = [
        predict_chunk(chunk, predictor=predictor, layout=layout, config=config)
        for chunk in read_chunks(config.input, rows_per_chunk=2)
    ]
    assert [chunk.cut for chunk in made] == [1, 1]
    assert caplog.messages == []
    assert write_output(made, config=config, layout=layout).predicted == 3
    assert caplog.messages == ["2 of 3 questions exceed the model's max_question_length and are truncated"]


@pytest.mark.parametrize("source", ["x.jsonl", "x.jsonl.gz", "x.csv", "x.csv.gz", "x.parquet"])
@pytest.mark.parametrize("target", ["y.jsonl", "y.csv.gz", "y.parquet"])
def test_rows_keep_order_and_columns_and_receive_answers(tmp_path: Path, source: str, target: str) -> None:
    write_questions(tmp_path / source)
    assert predict(tmp_path / source, tmp_path / target)[0] == {}
    number: Any = str if ".csv" in target else lambda value: value
    assert rows(tmp_path / target) == [
        {**row, "answer": answer, "score": number(0.5), "start": number(0), "end": number(end)}
        for row, (answer, end) in zip(QUESTIONS, ANSWERS, strict=True)
    ]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([source, target])


def test_jsonl_keeps_values_unchanged(tmp_path: Path) -> None:
    lines = [
        '{"question": "q", "context": "c", "n": 1.0, "big": 12345678901234567890, "t": "2020-01-01", "a": [null]}',
        '{"context": "c", "question": "q", "other": "half \\ud800", "n": "text"}',
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    predict(tmp_path / "x.jsonl", tmp_path / "y.jsonl")
    written = (tmp_path / "y.jsonl").read_text().splitlines()
    added = ', "answer": "c", "score": 0.5, "start": 0, "end": 1}'
    assert written == [line.removesuffix("}") + added for line in lines]


def test_parquet_keeps_types(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field("question", pa.large_string()),
            pa.field("context", pa.string(), metadata={"why": "kept"}),
            pa.field("price", pa.decimal128(5, 2)),
            pa.field("at", pa.timestamp("us", tz="UTC")),
            pa.field("tags", pa.list_(pa.int8())),
        ]
    )
    row = {"question": "q", "context": "c d", "price": Decimal("1.50"), "at": 1_000_000, "tags": [1, None]}
    pq.write_table(pa.Table.from_pylist([row] * 3, schema=schema), tmp_path / "x.parquet")
    predict(tmp_path / "x.parquet", tmp_path / "y.parquet")
    written = pq.read_table(tmp_path / "y.parquet")
    assert written.select(schema.names).equals(pq.read_table(tmp_path / "x.parquet"), check_metadata=True)
    assert written.column_names[len(schema) :] == ["answer", "score", "start", "end"]


def test_entities_of_texts_and_tokens(tmp_path: Path) -> None:
    records = [{"text": "Rom ruft"}, {"text": None, "tokens": ["Bonn", "ruft"]}, {"text": "Ulm", "tokens": ["Bonn"]}]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    predict(tmp_path / "x.jsonl", tmp_path / "y.jsonl", task="ner")
    assert [row["entities"][0]["text"] for row in rows(tmp_path / "y.jsonl")] == ["Rom", "Bonn", "Ulm"]
    predict(tmp_path / "x.jsonl", tmp_path / "y.parquet", task="ner")
    entity = {"label": "LOC", "text": "Bonn", "start": 0, "end": 1, "score": 0.25}
    assert rows(tmp_path / "y.parquet")[1]["entities"] == [entity]


def test_csv_has_tokens_and_entities_as_json(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('words\n"[""Bonn"", ""ruft""]"\nBonn ruft\n"[1]"\n"[]"\n')
    rejected, config = predict(tmp_path / "x.csv", tmp_path / "y.csv", task="ner", tokens_column="words")
    (row,) = rows(tmp_path / "y.csv")
    assert row["words"] == '["Bonn", "ruft"]'
    assert [entity["text"] for entity in json.loads(row["entities"])] == ["Bonn"]
    assert rejected == {"not_text (words)": 2, "missing (words)": 1}
    assert [reject["row"] for reject in rows(Path(rejects_path(config)))] == [2, 3, 4]


def test_invalid_rows_are_listed_with_number_and_reason(tmp_path: Path) -> None:
    good = {"question": "q", "context": "c"}
    lines = [
        json.dumps(good | {"n": 1}),
        "{not json",
        "[1]",
        json.dumps({"question": "q"}),
        "",
        json.dumps(good | {"question": None}),
        json.dumps(good | {"context": "  "}),
        json.dumps(good | {"question": 3}),
        json.dumps(good | {"question": "\ud800"}),
        json.dumps(good | {"n": 10}),
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(lines) + "\n")
    rejected, config = predict(tmp_path / "x.jsonl", tmp_path / "y.jsonl", rows_per_chunk=3)
    assert [row["n"] for row in rows(tmp_path / "y.jsonl")] == [1, 10]
    assert rows(Path(rejects_path(config))) == [
        {"row": 2, "reason": "unreadable"},
        {"row": 3, "reason": "unreadable"},
        {"row": 4, "reason": "missing", "column": "context"},
        {"row": 6, "reason": "missing", "column": "question"},
        {"row": 7, "reason": "missing", "column": "context"},
        {"row": 8, "reason": "not_text", "column": "question"},
        {"row": 9, "reason": "invalid_characters", "column": "question"},
    ]
    assert rejected == {
        "unreadable": 2,
        "missing (context)": 2,
        "missing (question)": 1,
        "not_text (question)": 1,
        "invalid_characters (question)": 1,
    }


def test_csv_records_of_another_length_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("question,context\nq,c\nq\nq,c,d\n\nq,c e\n")
    rejected, config = predict(tmp_path / "x.csv", tmp_path / "y.csv")
    assert rejected == {"unreadable": 3}
    assert [row["row"] for row in rows(Path(rejects_path(config)))] == [2, 3, 4]
    assert len(rows(tmp_path / "y.csv")) == 2


def test_long_passages_are_read_from_csv(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"question,context\nq,{'word ' * 100_000}\n")
    predict(tmp_path / "x.csv", tmp_path / "y.csv")
    csv.field_size_limit(10_000_000)
    assert rows(tmp_path / "y.csv")[0]["answer"] == "word"


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        pytest.param(
            "x.csv",
            b"id,passage\n1,c\n",
            {},
            "columns id, passage, but the model needs question and context",
            id="columns",
        ),
        pytest.param(
            "x.jsonl",
            b'{"question": "q"}\n',
            {},
            "columns question, but the model needs question and context",
            id="one-of-two",
        ),
        pytest.param("x.jsonl", b"nothing\n", {}, "columns none", id="no-columns"),
        pytest.param(
            "x.csv",
            b"question,context,score\nq,c,1\n",
            {},
            "column score conflicts with a prediction column",
            id="clash",
        ),
        pytest.param("x.csv", b"question,context,context\nq,c,d\n", {}, "duplicate columns context", id="twice"),
        pytest.param("x.csv", b"question,context\n", {}, "has no rows", id="no-rows"),
        pytest.param("x.csv", b"question,context\nq,\xff\n", {}, "x.csv, line 2: not UTF-8", id="not-utf-8"),
        pytest.param(
            "x.jsonl",
            b'{"question": "q", "context": "c"}\n' * 9000 + b"\xff\n{}\n",
            {},
            "line 9001: not UTF-8",
            id="late-not-utf-8",
        ),
        pytest.param("x.csv", b"question,context\nq,\xc3", {}, "line 2: not UTF-8", id="half-a-sequence"),
        pytest.param("x.csv", b'question,context\nq,"c\n', {}, "line 2: unexpected end", id="open-quote"),
        pytest.param("x.csv", b'question,context\nq,c\nq,"a "b" c"\n', {}, "line 3: .* must be doubled", id="quotes"),
        pytest.param("x.csv", b'"a "b" c",context\n', {}, "line 1: .* must be doubled", id="quotes-of-the-header"),
        pytest.param("x.parquet", b"PAR1 not", {}, "cannot be read", id="no-parquet"),
        pytest.param("x.jsonl.gz", b"{}\n", {}, "cannot be read", id="no-gzip"),
        pytest.param("x.txt", b"q\n", {}, "unsupported format", id="ending"),
        pytest.param(
            "x.csv", b"question,context\nq,c\n", {"question_column": "frage"}, "needs frage and context", id="mapped"
        ),
    ],
)
def test_invalid_files_are_rejected(
    tmp_path: Path, name: str, content: bytes, options: dict[str, Any], message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        predict(tmp_path / name, tmp_path / "y.jsonl", **options)
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        pytest.param(
            ("question", "context"), "name your columns with --question_column and --context_column", id="mrc"
        ),
        pytest.param(("text", "premise"), "rename the columns", id="field-without-an-option"),
    ],
)
def test_only_existing_options_are_suggested_for_missing_columns(fields: Sequence[str], remedy: str) -> None:
    task: Any = SimpleNamespace(record_fields=RecordFields(dict.fromkeys(fields, "text")), output_schema=pa.schema([]))
    config = PredictConfig(model="m", input="x.csv", output="y.csv")
    with pytest.raises(InputError) as error:
        check_columns(["a", "b"], task=task, config=config)
    needed = " and ".join(fields)
    assert str(error.value) == f"--input x.csv has the columns a, b, but the model needs {needed}; {remedy}"


@pytest.mark.parametrize(
    ("target", "second", "column"),
    [
        pytest.param("y.jsonl", {"score": 1}, "score", id="clash"),
        pytest.param("y.csv", {"new": 1}, "new", id="new-column"),
        pytest.param("y.csv", {"\ud800": 1}, "\ud800", id="new-column-of-half-a-character"),
        pytest.param("y.parquet", {"new": 1}, "new", id="new-column-of-parquet"),
        pytest.param("y.parquet", {"n": "text"}, "n", id="other-type"),
        pytest.param("y.parquet", {"n": 2.5}, "n", id="fraction"),
        pytest.param("y.parquet", {"o": {"a": 1, "b": 2}}, "o", id="field"),
        pytest.param("y.parquet", {"l": [{"a": 1}, {"b": 2}]}, "l", id="field-in-a-list"),
        pytest.param("y.parquet", {"n": 2**70}, "n", id="large-number"),
        pytest.param("y.parquet", {"t": "\ud800"}, "t", id="half-a-character"),
        pytest.param("y.parquet", {"z": 1}, "z", id="null-until-then"),
    ],
)
def test_a_row_that_does_not_fit_is_rejected_and_the_others_are_predicted(
    tmp_path: Path, target: str, second: dict[str, Any], column: str
) -> None:
    good = {"question": "q", "context": "c", "n": 1, "o": {"a": 1}, "l": [{"a": 1}], "t": "a", "z": None}
    lines = [good] * 257 + [good | second, good, {"question": "q"}]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    rejected, config = predict(tmp_path / "x.jsonl", tmp_path / target, rows_per_chunk=256)
    assert rejected == {f"unfit ({column})": 1, "missing (context)": 1}
    assert len(rows(tmp_path / target)) == 258
    assert rows(Path(rejects_path(config))) == [
        {"row": 258, "reason": "unfit", "column": column},
        {"row": 260, "reason": "missing", "column": "context"},
    ]


def test_csv_keeps_dates_and_decimals(tmp_path: Path) -> None:
    columns = {"d": [date(2024, 1, 31)], "x": [Decimal("1.50")], "b": [True], "f": [0.5], "l": [["a", 'b"']]}
    pq.write_table(pa.table({"question": ["q"], "context": ["c"], **columns}), tmp_path / "x.parquet")
    predict(tmp_path / "x.parquet", tmp_path / "y.csv")
    (row,) = rows(tmp_path / "y.csv")
    assert {name: row[name] for name in columns} == {
        "d": "2024-01-31",
        "x": "1.50",
        "b": "true",
        "f": "0.5",
        "l": '["a", "b\\""]',
    }


def test_csv_cells_are_no_formulas(tmp_path: Path) -> None:
    columns = {"question": ["=1+1"], "context": ["+2"], "@x": ["-3.5"], "n": [-4], "t": [["-5"]]}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    predict(tmp_path / "x.parquet", tmp_path / "y.csv")
    header, row = csv.reader((tmp_path / "y.csv").read_text().splitlines())
    assert header[:5] == ["question", "context", "'@x", "n", "t"]
    assert row[:5] == ["'=1+1", "+2", "-3.5", "-4", '["-5"]']


def test_nan_and_infinities_become_null_in_json(tmp_path: Path) -> None:
    columns = {"x": [float("nan")], "l": [[float("-inf"), 0.1]], "t": ["NaN, Infinity"], "d": [date(2024, 1, 31)]}
    pq.write_table(pa.table({"question": ["q"], "context": ["c"], **columns}), tmp_path / "x.parquet")
    predict(tmp_path / "x.parquet", tmp_path / "y.jsonl")
    (row,) = rows(tmp_path / "y.jsonl")
    assert {name: row[name] for name in columns} == {
        "x": None,
        "l": [None, 0.1],
        "t": "NaN, Infinity",
        "d": "2024-01-31",
    }
    predict(tmp_path / "x.parquet", tmp_path / "y.csv")
    (row,) = rows(tmp_path / "y.csv")
    assert (row["x"], row["l"], row["t"]) == ("nan", "[null, 0.1]", "NaN, Infinity")


def test_parquet_accepts_whole_numbers_and_missing_fields(tmp_path: Path) -> None:
    values: list[dict[str, Any]] = [
        {"n": 1.5, "o": {"a": [1], "b": "x"}},
        {"n": 2, "o": {"a": None}},
        {"n": None, "o": None},
    ]
    lines = [{"question": "q", "context": "c", **value} for value in values]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    predict(tmp_path / "x.jsonl", tmp_path / "y.parquet")
    assert [(row["n"], row["o"]) for row in rows(tmp_path / "y.parquet")] == [
        (1.5, {"a": [1], "b": "x"}),
        (2.0, {"a": None, "b": None}),
        (None, None),
    ]


@pytest.mark.parametrize("value", [2**70, "\ud800", {}], ids=["large-number", "half-a-character", "no-fields"])
def test_values_that_parquet_cannot_represent_are_rejected_at_the_start(tmp_path: Path, value: object) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"question": "q", "context": "c", "x": value}) + "\n")
    config = PredictConfig(model="m", input=str(tmp_path / "x.jsonl"), output=str(tmp_path / "y.parquet"))
    with pytest.raises(InputError, match=r"column x cannot be written as Parquet: .*; give a \.jsonl output"):
        _layout(config, "mrc", "jsonl", "parquet")


def test_bytes_are_not_written_as_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"question": ["q"], "context": ["c"], "x": [b"\xff"]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"bytes.* give a \.parquet output"):
        predict(tmp_path / "x.parquet", tmp_path / "y.jsonl")


def test_columns_that_would_be_unpickled_are_refused(tmp_path: Path) -> None:
    columns = {"question": ["q"], "context": ["c"], "x": pickled_column(tmp_path / "touched")}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"--input .*x\.parquet: the column 'x' has the extension type"):
        predict(tmp_path / "x.parquet", tmp_path / "y.jsonl")
    assert not (tmp_path / "touched").exists()


def test_finished_chunks_are_not_unpickled(tmp_path: Path) -> None:
    config = PredictConfig(model="m", input=str(tmp_path / "x.jsonl"), output=str(tmp_path / "y.jsonl"))
    (tmp_path / "x.jsonl").write_text("{}")
    results = PartialResults(config, fingerprint="model")
    results.write(
        stream_bytes(pa.table({"first": pickled_column(tmp_path / "touched")})), "chunks", "000000000001.arrow"
    )
    with pytest.raises(InputError, match=r"000000000001\.arrow: the column 'first' has the extension type"):
        list(results.read_chunks({1}))
    assert not (tmp_path / "touched").exists()


def test_csv_fields_keep_every_kind_of_line_ending(tmp_path: Path) -> None:
    values = ["a\rb", "a\nb", "a\r\nb", "x\r", "a\u2028b\x85c\x0bd"]
    lines = [{"question": "q", "context": "c", "x": value} for value in values]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    predict(tmp_path / "x.jsonl", tmp_path / "y.csv")
    with (tmp_path / "y.csv").open(newline="") as file:
        assert [(row["x"], row["end"]) for row in csv.DictReader(file)] == [(value, "1") for value in values]


def plan_of(source: Path, target: str, fingerprint: str = "model") -> Plan:
    config = PredictConfig(model="m", input=str(source), output=target)
    layout = _layout(config, "mrc", file_format(str(source), option="input"), file_format(target, option="output"))
    return Plan(config=config, layout=layout, model_size=1, model_fingerprint=fingerprint)


def stop_after(plan: Plan, stop: int | None) -> list[int]:
    """Predict with one row a chunk, until an error after `stop` chunks; return the rows that were predicted."""
    predicted: list[int] = []

    def predict_chunks(results: PartialResults, finished: set[int]) -> Iterator[tuple[int, int]]:
        for number, chunk in enumerate(chunks(plan.config, plan.layout, 1)):
            if number == stop:
                raise OSError("no space left on device")
            if chunk.first_row not in finished:
                predicted.append(chunk.first_row)
                results.write_chunk(chunk)
                yield chunk.first_row, chunk.rows

    finish(plan, predict_chunks)
    return predicted


@pytest.mark.parametrize("place", ["local", "s3"])
@pytest.mark.parametrize("name", ["y.jsonl.gz", "y.csv", "y.parquet"])
def test_a_stopped_prediction_resumes(tmp_path: Path, request: pytest.FixtureRequest, place: str, name: str) -> None:
    folder = str(tmp_path / "out") if place == "local" else f"{request.getfixturevalue('bucket')}/{name} out"
    write_questions(tmp_path / "x.jsonl")
    with (tmp_path / "x.jsonl").open("a") as file:
        file.write("{}\n")
    plan = plan_of(tmp_path / "x.jsonl", f"{folder}/{name}")
    for stop in (1, 2):
        with pytest.raises(OSError, match="no space"):
            stop_after(plan, stop)
        assert not storage.exists(plan.config.output)
    assert stop_after(plan, None) == [3, 4], "what was predicted is predicted again"
    assert [storage.read_bytes(file) != b"" for file in storage.list_files(folder)] == [True, True]
    (tmp_path / name).write_bytes(storage.read_bytes(plan.config.output))
    assert [row["answer"] for row in rows(tmp_path / name)] == [answer for answer, _ in ANSWERS]
    assert json.loads(storage.read_bytes(rejects_path(plan.config))) == {
        "row": 4,
        "reason": "missing",
        "column": "question",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param("model", "the model", id="model"),
        pytest.param("input", "the input", id="input"),
        pytest.param("column", "the names of the columns", id="column"),
        pytest.param("model input", "the model and the input", id="two"),
        pytest.param("0123456789abcdef", "the format of unfinished work", id="version-with-one-digest"),
        pytest.param("01-23-45-67", "the format of unfinished work", id="version-with-four-digests"),
    ],
)
def test_other_questions_or_another_model_restart_the_prediction(
    tmp_path: Path, change: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_questions(tmp_path / "x.jsonl")
    plan = plan_of(tmp_path / "x.jsonl", str(tmp_path / "y.jsonl"))
    with pytest.raises(OSError, match="no space"):
        stop_after(plan, 2)
    if "model" in change:
        plan = dataclasses.replace(plan, model_fingerprint="another")
    if "input" in change:
        (tmp_path / "x.jsonl").write_text((tmp_path / "x.jsonl").read_text().replace("Rom", "Bam"))
    if change == "column":
        plan = dataclasses.replace(plan, config=dataclasses.replace(plan.config, context_column="question"))
    if change.startswith("01"):  # the key of an earlier version
        (folder,) = (tmp_path / "y.jsonl.unfinished").iterdir()
        folder.rename(folder.with_name(change))
    assert "is discarded" not in caplog.text
    assert stop_after(plan, None) == [1, 2, 3]
    assert f"y.jsonl.unfinished is discarded and the job starts from the beginning: {told} changed" in caplog.text
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.jsonl", "y.jsonl"]


def test_duplicate_chunks_out_of_order_yield_one_output(tmp_path: Path) -> None:
    write_questions(tmp_path / "x.jsonl")
    plan = plan_of(tmp_path / "x.jsonl", str(tmp_path / "y.jsonl"))
    made = list(chunks(plan.config, plan.layout, 1))

    def predict_chunks(results: PartialResults, _: set[int]) -> Iterator[tuple[int, int]]:
        other = PartialResults(plan.config, fingerprint=plan.model_fingerprint)  # as a second driver's actor has it
        for chunk in [made[2], made[0], made[2], made[1]]:
            results.write_chunk(chunk)
            other.write_chunk(chunk)
            yield chunk.first_row, chunk.rows

    assert finish(plan, predict_chunks).predicted == 3
    assert [row["id"] for row in rows(tmp_path / "y.jsonl")] == [row["id"] for row in QUESTIONS]


@pytest.mark.parametrize(
    "sizes",
    [pytest.param((1, 2), id="overlap"), pytest.param((), id="gap")],
)
def test_chunks_of_drivers_that_cut_the_input_differently_are_never_mixed(
    tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    write_questions(tmp_path / "x.jsonl")
    plan = plan_of(tmp_path / "x.jsonl", str(tmp_path / "y.jsonl"))

    def predict_chunks(results: PartialResults, _: set[int]) -> Iterator[tuple[int, int]]:
        cut = [chunk for size in sizes for chunk in chunks(plan.config, plan.layout, size)]
        for chunk in cut or list(chunks(plan.config, plan.layout, 1))[1:]:
            results.write_chunk(chunk)
            yield chunk.first_row, chunk.rows

    with pytest.raises(InputError, match="overlap or are incomplete at row"):
        finish(plan, predict_chunks)
    assert not (tmp_path / "y.jsonl").exists()


@pytest.mark.parametrize("name", ["y.jsonl", "y.csv.gz", "y.parquet"])
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        pytest.param(
            [{"question": "Who?", "context": None}, {"question": " ", "context": "c"}],
            r"missing \(context\) 1, missing \(question\) 1; see .*rejects\.jsonl",
            id="rejects",
        ),
        pytest.param([{"question": 1, "context": "c"}], r"not_text \(question\) 1; see", id="numbers"),
    ],
)
def test_an_input_without_a_predictable_row_is_an_error_with_rejects_and_keeps_the_output_of_before(
    tmp_path: Path, name: str, lines: list[dict[str, Any]], reason: str
) -> None:
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / name).write_text("before")
    plan = plan_of(tmp_path / "x.jsonl", str(tmp_path / name))
    with pytest.raises(InputError, match=rf"x\.jsonl: no row can be predicted: {reason}"):
        stop_after(plan, None)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.jsonl", name, f"{name}.rejects.jsonl"]
    assert (tmp_path / name).read_text() == "before"
    assert len(rows(tmp_path / f"{name}.rejects.jsonl")) == len(lines)


def test_only_missing_chunks_are_predicted(tmp_path: Path) -> None:
    """As if the actor of the second chunk was lost with the job, and another one had gone ahead."""
    write_questions(tmp_path / "x.jsonl")
    plan = plan_of(tmp_path / "x.jsonl", str(tmp_path / "y.jsonl"))
    results = PartialResults(plan.config, fingerprint=plan.model_fingerprint)
    results.open()
    first, _, third = chunks(plan.config, plan.layout, 1)
    results.write_chunk(first)
    results.write_chunk(third)
    os.utime(tmp_path / "x.jsonl", (1, 1))  # the copy that a submitted job gets
    assert stop_after(plan, None) == [2]
    assert [row["answer"] for row in rows(tmp_path / "y.jsonl")] == [answer for answer, _ in ANSWERS]


def test_an_output_invisible_to_an_actor_is_rejected(tmp_path: Path) -> None:
    write_questions(tmp_path / "x.jsonl")
    plan = plan_of(tmp_path / "x.jsonl", str(tmp_path / "y.jsonl"))
    results = PartialResults(plan.config, fingerprint=plan.model_fingerprint)
    with pytest.raises(InputError, match=r"y\.jsonl\.unfinished is not visible on all nodes"):
        results.write_chunk(next(chunks(plan.config, plan.layout, 1)))
    assert [file.name for file in tmp_path.iterdir()] == ["x.jsonl"]


@pytest.mark.parametrize("name", ["y.jsonl", "y.csv", "y.parquet"])
def test_the_first_written_rows_are_returned(tmp_path: Path, name: str) -> None:
    lines = [{"question": f"q{number}", "context": "c d"} for number in range(6)]
    lines[0] = {"question": "none"}
    if name != "y.jsonl":
        lines[2]["new"] = "does not fit"
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    plan = plan_of(tmp_path / "x.jsonl", str(tmp_path / name))
    plan = dataclasses.replace(plan, layout=dataclasses.replace(plan.layout, columns=COLUMNS, schema=SCHEMA))
    done = write_output(chunks(plan.config, plan.layout, 2), config=plan.config, layout=plan.layout)
    expected = [1, 2, 3] if name == "y.jsonl" else [1, 3, 4]
    assert [row["question"] for row in done.first] == [f"q{number}" for number in expected]
    assert [row["answer"] for row in done.first] == ["c"] * 3


def test_the_rejects_file_cannot_overwrite_the_input(tmp_path: Path) -> None:
    (tmp_path / "y.jsonl.rejects.jsonl").touch()
    source, target = str(tmp_path / "y.jsonl.rejects.jsonl"), str(tmp_path / "y.jsonl")
    with pytest.raises(InputError, match="its rejects file would overwrite"):
        _check_paths(PredictConfig(model="m", input=source, output=target, overwrite=True))


def test_rejects_of_an_earlier_run_are_deleted(tmp_path: Path) -> None:
    write_questions(tmp_path / "x.jsonl")
    (tmp_path / "y.jsonl.rejects.jsonl").write_text('{"row": 1}\n')
    predict(tmp_path / "x.jsonl", tmp_path / "y.jsonl", overwrite=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.jsonl", "y.jsonl"]


def test_row_numbers_continue_across_chunks(tmp_path: Path) -> None:
    write_questions(tmp_path / "x.csv")
    numbers = [
        row.number for chunk in read_chunks(str(tmp_path / "x.csv"), rows_per_chunk=2) for row in rows_of(chunk, "csv")
    ]
    assert numbers == [1, 2, 3]
