"""Schemas of prepared data and of the rows within the preparation pipeline.

All offsets are Unicode code points into the cleaned text, end exclusive.
"""

import itertools
from collections.abc import Iterator, Sequence
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clism_core.utils.words import Word


class RejectReason(StrEnum):
    """Reason why an input row did not become a sample; a closed list."""

    INVALID_UTF8 = "invalid_utf8"
    """The line is not in the encoding of the corpus, or contains U+FFFD from an earlier failed conversion."""
    WRONG_COLUMN_COUNT = "wrong_column_count"
    """The number of columns differs from that of the first line of the file."""
    INVALID_RECORD = "invalid_record"
    """The line is not a JSON object, or a field is missing or not text."""
    EMPTY_SOURCE = "empty_source"
    EMPTY_TARGET = "empty_target"
    CONTROL_CHARACTERS = "control_characters"
    """The source or target contains a control character other than white space."""
    TOO_LONG = "too_long"
    """The source or target has more characters or words than `cleaning` allows."""
    UNTRANSLATED = "untranslated"
    """Source and target are equal, ignoring case."""
    WRONG_LANGUAGE = "wrong_language"
    """The source or target is certainly not in the configured language, or not in its script."""
    DUPLICATE = "duplicate"
    """An earlier row of this language pair has the same cleaned source and target."""
    INVALID_ALIGNMENT = "invalid_alignment"
    """The given alignment is not a list of `i-j`, or refers to a word that the row does not have; or the row has white
    space, such as no-break spaces, at which only some aligners separate words."""
    NO_SPAN = "no_span"
    """The source contains no informative span."""
    NO_ANSWER = "no_answer"
    """There are spans, but none of them is aligned to one contiguous run of words, and completely."""


_ROWS_AT_ONCE = 10_000

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
"""Schema of `samples/*.parquet`. `alignment` refers to `source_words` and `target_words` by index (`0-0 1-2`)."""

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
"""Schema of `rejects/*.parquet`. `line` is 1-based; `source` and `target` are null if the line could not be parsed."""

ROW_SCHEMA = pa.schema(
    [
        *SAMPLE_SCHEMA,
        ("input", pa.string()),
        ("line", pa.int64()),
        ("markup", pa.bool_()),
        ("digest", pa.binary(16)),
        ("candidates", CANDIDATES),
        ("partial_answers", pa.int32()),
        ("reason", pa.string()),
    ]
)
"""Schema of rows in the pipeline: each stage fills in its columns, and does not change rows that have a `reason`.

`markup` tells whether the residue of markup was removed from the row. `digest` is a hash of the cleaned source and
target, null for rejected rows; rows with equal digests are duplicates. `partial_answers` is the number of spans that
were left out because their answers would be partial.
"""


def sample_id(*, pair: str, corpus: int, row: int) -> str:
    """Return the id of a row. Ids are unique and sort in the order of the `corpora` and of their rows, from 1."""
    return f"{pair}/{corpus:02d}/{row:09d}"


def words_array(words: Sequence[Sequence[Word] | None]) -> pa.Array:
    """Return words as a column of type `WORDS`."""
    ends = np.cumsum([0, *(len(row or ()) for row in words)], dtype=np.int32)
    places = np.array([place for row in words for word in row or () for place in word], dtype=np.int32).reshape(-1, 2)
    structs = pa.StructArray.from_arrays([pa.array(places[:, 0]), pa.array(places[:, 1])], fields=[*WORDS.value_type])
    is_null = pa.array([row is None for row in words])
    return pa.ListArray.from_arrays(pa.array(ends), structs, mask=is_null).cast(WORDS)


def words_of(column: pa.ChunkedArray) -> list[list[Word]]:
    """Return the words of each row of a column of type `WORDS`; an empty list for null."""
    rows: list[list[Word]] = []
    for chunk in column.chunks:
        words = chunk.flatten()
        pairs = list(zip(words.field("start").to_pylist(), words.field("end").to_pylist(), strict=True))
        counts = pc.fill_null(pc.list_value_length(chunk), 0).to_pylist()
        ends = np.cumsum([0, *counts]).tolist()
        rows += [pairs[first:end] for first, end in itertools.pairwise(ends)]
    return rows


def each_words_as_text(table: pa.Table, side: str) -> Iterator[list[str]]:
    """Yield the rows of `words_as_text`, computed in batches to bound memory."""
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from words_as_text(pa.Table.from_batches([batch]), side)


def words_as_text(table: pa.Table, side: str) -> list[list[str]]:
    """Return the words of each row of `table` as strings; `side` is `source` or `target`."""
    rows = zip(table[side].to_pylist(), words_of(table[f"{side}_words"]), strict=True)
    return [[text[start:end] for start, end in words] for text, words in rows]


def replace_column(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    """Return `table` with the column `name` replaced by `values`, with the type given by `ROW_SCHEMA`."""
    field = ROW_SCHEMA.field(name)
    return table.set_column(table.schema.get_field_index(name), field, pa.array(values, type=field.type))
