"""The columns of prepared data, and of the rows on their way through the pipeline.

All offsets are Unicode code points into the cleaned text, end exclusive.
"""

from enum import StrEnum

import pyarrow as pa


class Reason(StrEnum):
    """Why a row of the input is no sample: a closed list."""

    INVALID_UTF8 = "invalid_utf8"
    """The line is not UTF-8, or holds U+FFFD, which an earlier failed conversion has left."""
    WRONG_COLUMN_COUNT = "wrong_column_count"
    """The line has another number of columns than the first line of its file."""
    INVALID_RECORD = "invalid_record"
    """The record lacks a field, a field is no text, or the line is no JSON object."""
    EMPTY_SOURCE = "empty_source"
    EMPTY_TARGET = "empty_target"
    CONTROL_CHARACTERS = "control_characters"
    """A control character other than white space."""
    TOO_LONG = "too_long"
    """More characters or words than `cleaning` allows, on either side."""
    UNTRANSLATED = "untranslated"
    """Source and target are the same but for case."""
    WRONG_LANGUAGE = "wrong_language"
    """The source or the target is surely not in the language that it is said to be in."""
    DUPLICATE = "duplicate"
    """An earlier row of this language pair has the same cleaned source and target."""
    INVALID_ALIGNMENT = "invalid_alignment"
    """The given alignment is no list of `i-j`, or names a word that the row does not have."""
    NO_SPAN = "no_span"
    """The source holds no informative span."""
    NO_ANSWER = "no_answer"
    """There are spans, but the translation of none is one run of words."""


_INT = pa.int32()
WORDS = pa.list_(pa.struct([("start", _INT), ("end", _INT)]))
CANDIDATES = pa.list_(pa.struct([("start", _INT), ("end", _INT), ("label", pa.string())]))
SPANS = pa.list_(
    pa.struct(
        [
            ("source_start", _INT),
            ("source_end", _INT),
            ("target_start", _INT),
            ("target_end", _INT),
            ("label", pa.string()),
        ]
    )
)

SAMPLE_SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("source_lang", pa.string()),
        ("target_lang", pa.string()),
        ("source", pa.string()),
        ("target", pa.string()),
        ("spans", SPANS),
        ("origin", pa.string()),
        ("source_words", WORDS),
        ("target_words", WORDS),
        ("alignment", pa.string()),
    ]
)
"""`samples/*.parquet`. `source_words` and `target_words` are what was aligned; `alignment` numbers them (`0-0 1-2`)."""

REJECT_SCHEMA = pa.schema(
    [
        ("input", pa.string()),
        ("line", pa.int64()),
        ("source_lang", pa.string()),
        ("target_lang", pa.string()),
        ("origin", pa.string()),
        ("source", pa.string()),
        ("target", pa.string()),
        ("reason", pa.string()),
    ]
)
"""`rejects/*.parquet`. `line` is 1-based; `source` and `target` are null where the line could not be cut in columns."""

ROW_SCHEMA = pa.schema(
    [
        *SAMPLE_SCHEMA,
        ("input", pa.string()),
        ("line", pa.int64()),
        ("candidates", CANDIDATES),
        ("reason", pa.string()),
    ]
)
"""A row in the pipeline: each stage fills in its columns, and passes on untouched what already has a `reason`."""


def sample_id(*, pair: str, corpus: int, line: int) -> str:
    """Return the id of a row: unique, and in the order of the `corpora` and of their lines."""
    return f"{pair}/{corpus:02d}/{line:09d}"


def words_as_text(table: pa.Table, side: str) -> list[list[str]]:
    """Return the words of each row of `table` as strings; `side` is `source` or `target`."""
    rows = zip(table[side].to_pylist(), table[f"{side}_words"].to_pylist(), strict=True)
    return [[text[word["start"] : word["end"]] for word in words] for text, words in rows]


def replace_column(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    """Return `table` with the column `name` made of `values`, of the type that the schema gives it."""
    field = ROW_SCHEMA.field(name)
    return table.set_column(table.schema.get_field_index(name), field, pa.array(values, type=field.type))
