"""Checks of rows of samples: each problem is found, in its rows and no others."""

from typing import Any

import pyarrow as pa
import pytest

from clism_core.preparation.row_checks import check_rows, column_problems, lacks_words, row_problems, sample_schema
from clism_core.preparation.schema import SAMPLE_SCHEMA

COLUMNS = ["sample_id", "source", "target", "spans"]


def span(source: tuple[int, int], target: tuple[int, int], label: str | None = "PERSON") -> dict[str, Any]:
    edges = zip(("source_start", "source_end", "target_start", "target_end"), (*source, *target), strict=True)
    return dict(edges) | {"label": label}


def words(*ranges: tuple[int, int]) -> list[dict[str, int]]:
    return [{"start": start, "end": end} for start, end in ranges]


RIGHT: dict[str, Any] = {
    "sample_id": "en-ar/00/000000001",
    "source_lang": "en",
    "target_lang": "ar",
    "source": "Henry saw Rome",
    "target": "رأى هنري روما 😀",  # 15 code points
    "spans": [span((0, 5), (4, 8)), span((10, 14), (9, 13), "GPE")],
    "origin": None,
    "source_words": words((0, 5), (6, 9), (10, 14)),
    "target_words": words((0, 3), (4, 8), (9, 13), (14, 15)),
    "alignment": "0-1 1-0 2-2",
}


def found(wrong: dict[str, Any]) -> dict[str, list[int]]:
    """Return the problems of a table whose second and last rows have other values."""
    rows = [RIGHT, RIGHT | wrong, RIGHT, RIGHT, RIGHT | wrong]
    return {text: numbers.tolist() for text, numbers in row_problems(pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA))}


def test_right_rows_have_no_problems() -> None:
    assert found({}) == {}
    assert found({"origin": "news", "spans": [], "alignment": ""}) == {}
    assert list(row_problems(SAMPLE_SCHEMA.empty_table())) == []


@pytest.mark.parametrize("name", sorted(RIGHT.keys() - {"origin", "source_words", "target_words"}))
def test_nulls(name: str) -> None:
    assert found({name: None}) == {f"{name} is null": [1, 4]}


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        pytest.param({"spans": [None]}, "spans has a null", id="span"),
        pytest.param({"spans": [span((0, 5), (4, 8), None)]}, "spans has a null", id="label"),
        pytest.param({"spans": [span((0, 5), (4, 8)) | {"target_end": None}]}, "spans has a null", id="edge"),
        pytest.param({"target_words": [None], "alignment": ""}, "target_words has a null", id="word"),
        pytest.param({"spans": [span((-1, 5), (4, 8))]}, "a span is empty or outside of the source", id="negative"),
        pytest.param({"spans": [span((10, 15), (4, 8))]}, "a span is empty or outside of the source", id="beyond"),
        pytest.param({"spans": [span((5, 5), (4, 8))]}, "a span is empty or outside of the source", id="empty"),
        pytest.param({"spans": [span((0, 5), (8, 4))]}, "a span is empty or outside of the target", id="reversed"),
        pytest.param({"spans": [span((0, 5), (14, 16))]}, "a span is empty or outside of the target", id="code-points"),
        pytest.param(
            {"spans": [span((10, 14), (4, 8)), span((0, 11), (9, 13))]}, "spans overlap in the source", id="overlap"
        ),
        pytest.param(
            {"spans": [span((10, 14), (4, 8)), span((0, 5), (4, 8))]}, "spans overlap in the target", id="same-answer"
        ),
        pytest.param(
            {"source_words": words((0, 5), (6, 9), (10, 15))}, "a word is empty or outside of the source", id="word-out"
        ),
        pytest.param(
            {"source_words": words((6, 9), (0, 5), (10, 14))}, "words overlap in the source", id="words-in-disorder"
        ),
        pytest.param({"alignment": "0-1 1-4"}, "alignment is not a list of links between the words", id="no-such-word"),
        pytest.param({"alignment": "0:1"}, "alignment is not a list of links between the words", id="no-links"),
    ],
)
def test_problems_are_found_in_their_rows(wrong: dict[str, Any], text: str) -> None:
    assert found(wrong) == {text: [1, 4]}


@pytest.mark.parametrize("side", ["source_words", "target_words"])
@pytest.mark.parametrize("nothing", [None, []])
def test_rows_without_words_are_told_apart(side: str, nothing: Any) -> None:
    rows = pa.Table.from_pylist([RIGHT, RIGHT | {side: nothing}], schema=SAMPLE_SCHEMA)
    assert lacks_words(rows).tolist() == [False, True]
    assert list(row_problems(rows)) == []


def test_other_widths_and_text_types_are_converted() -> None:
    wide = pa.struct([(field.name, pa.int64()) for field in SAMPLE_SCHEMA.field("spans").type.value_type][:4])
    wide = pa.list_(pa.struct([*wide, ("label", pa.large_string()), ("note", pa.string())]))
    table = pa.table(
        {
            "sample_id": pa.array(["a"]).dictionary_encode(),
            "source": pa.array([RIGHT["source"]], pa.large_string()),
            "target": pa.array([RIGHT["target"]], pa.string_view()),
            "spans": pa.array([RIGHT["spans"]], wide),
        }
    )
    assert column_problems(table.schema, sample_schema(COLUMNS)) == []
    samples, numbers, problems = check_rows(table)
    assert (samples.schema, numbers.tolist(), problems) == (sample_schema(COLUMNS), [0], [])
    assert samples.to_pylist() == [{"sample_id": "a"} | {name: RIGHT[name] for name in COLUMNS[1:]}]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        pytest.param({"source": pa.array([1])}, "column source is int64 instead of string", id="number"),
        pytest.param({"source": pa.array([b"x"])}, "column source is binary instead of string", id="bytes"),
        pytest.param({"source": pa.array([["x"]])}, "column source is list<element: string> instead of", id="list"),
        pytest.param({"spans": pa.array(["[]"])}, "column spans is string instead of list<", id="json"),
        pytest.param({"spans": pa.array([[[0, 4]]])}, "column spans is list<", id="pairs"),
        pytest.param({"spans": pa.array([[{"source_start": 0}]])}, "column spans is list<", id="missing-field"),
        pytest.param({"source_hash": pa.array([0.5])}, "column source_hash is double instead of uint64", id="float"),
        pytest.param({}, "column source is missing", id="missing"),
    ],
)
def test_columns_of_other_kinds_are_refused(columns: dict[str, pa.Array], problem: str) -> None:
    (text,) = column_problems(pa.table(columns).schema, sample_schema(columns or ["source"]))
    assert text.replace("item:", "element:").startswith(problem)


def test_a_column_that_is_there_twice_is_refused() -> None:
    schema = pa.schema([("source", pa.string()), ("source", pa.string())])
    assert column_problems(schema, sample_schema(["source"])) == ["column source is there 2 times"]


def test_rows_that_cannot_be_converted_are_left_out_and_others_keep_their_numbers() -> None:
    texts = pa.StringArray.from_buffers(3, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xffc"))
    samples, numbers, problems = check_rows(pa.table({"source": texts, "sample_id": ["x", "y", None]}))
    assert samples["source"].to_pylist() == ["a", "c"]
    assert numbers.tolist() == [0, 2]
    assert [(text, rows.tolist()) for text, rows in problems] == [
        ("a text is not UTF-8, or a number is out of range", [1]),
        ("sample_id is null", [2]),
    ]
