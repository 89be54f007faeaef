"""Readers of input files in chunks of rows: one task splits the file, and the chunks are parsed concurrently.

A JSONL row is a line, counted from 1; blank lines are skipped. A CSV row is a record below the header, and all its
values are text. Parquet rows keep their types.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeAlias

import pyarrow as pa

from clism_core.utils import storage
from clism_core.utils.arrow import open_parquet, read_stream, stream_bytes, stream_schema
from clism_core.utils.compressed import compression_of_name, open_decompressed
from clism_core.utils.errors import InputError
from clism_core.utils.text import json_object

FileFormat: TypeAlias = Literal["jsonl", "csv", "parquet"]

ENDINGS: Mapping[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".parquet": "parquet",
}
ROWS_PER_CHUNK = 256
_NO_UTF8 = re.compile("[\udc80-\udcff]")
"""Characters with which `surrogateescape` decodes bytes that are not UTF-8."""
_BUFFER = 1 << 20  # bytes of a Parquet column in memory at once; by default pyarrow reads the whole row group


class Chunk(NamedTuple):
    """Consecutive rows, unparsed."""

    first_row: int
    """Number of the first row, from 1."""
    rows: int
    content: bytes
    """JSONL lines; or a JSON list of the CSV header and records; or a table in Arrow's stream format."""


class Row(NamedTuple):
    """A row of the file."""

    number: int
    """Number of the row, from 1."""
    values: dict[str, Any] | None
    """Values by column; None if the row cannot be read."""


def file_format(path: str, *, option: str) -> FileFormat:
    """Return the format that the extension of a file indicates.

    Raises:
        InputError: if the extension is unsupported, naming `option`.
    """
    kind = next((kind for ending, kind in ENDINGS.items() if path.endswith(ending)), None)
    if kind is None:
        raise InputError(f"--{option} {path}: unsupported format; give a file that ends in {', '.join(ENDINGS)}")
    return kind


def read_chunks(path: str, *, rows_per_chunk: int = ROWS_PER_CHUNK) -> Iterator[Chunk]:
    """Yield the rows of a file in chunks, without loading the whole file.

    Raises:
        InputError: if the file cannot be read to its end.
    """
    reader = {"jsonl": _jsonl_chunks, "csv": _csv_chunks, "parquet": _parquet_chunks}[file_format(path, option="input")]
    try:
        yield from reader(path, rows_per_chunk)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"--input {path} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        line = _line_without_utf8(path)
        raise InputError(f"--input {path}, line {line}: not UTF-8 text ({error.reason}); convert it first") from error


def rows_of(chunk: Chunk, kind: FileFormat) -> list[Row]:
    """Return the rows of a chunk of a file of format `kind`."""
    parse: Callable[[Chunk], list[Row]] = {"jsonl": _jsonl_rows, "csv": _csv_rows, "parquet": _parquet_rows}[kind]
    return parse(chunk)


def schema_of(chunk: Chunk) -> pa.Schema:
    """Return the schema of a chunk of a Parquet file."""
    return stream_schema(chunk.content, title="chunk")


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Return all columns that occur in the rows, in order of first occurrence."""
    return list(dict.fromkeys(column for row in rows for column in row.values or ()))


@contextmanager
def _open_text(path: str, *, newline: str, errors: str = "strict") -> Iterator[io.TextIOWrapper]:
    with (
        open_decompressed(path, compression_of_name(path)) as stream,
        io.TextIOWrapper(stream, encoding="utf-8-sig", errors=errors, newline=newline) as text,
    ):
        yield text


def _line_without_utf8(path: str) -> int:
    """Return the number of the first line that is not UTF-8, by reading the file again."""
    with _open_text(path, newline="\n", errors="surrogateescape") as text:
        return next(number for number, line in enumerate(text, 1) if _NO_UTF8.search(line))


def _jsonl_chunks(path: str, size: int) -> Iterator[Chunk]:
    first = 1
    with _open_text(path, newline="\n") as text:
        while lines := list(islice(text, size)):
            yield Chunk(first, len(lines), "".join(lines).encode())
            first += len(lines)


def _jsonl_rows(chunk: Chunk) -> list[Row]:
    lines = chunk.content.decode().removesuffix("\n").split("\n")
    return [Row(number, json_object(line)) for number, line in enumerate(lines, chunk.first_row) if line.strip()]


def _csv_chunks(path: str, size: int) -> Iterator[Chunk]:
    csv.field_size_limit(sys.maxsize)  # passages may be longer than Python's limit of 128 KB
    first = 1
    with _open_text(path, newline="") as text:
        records = csv.reader(text, strict=True)
        try:
            header = next(records, [])
            _check_columns(header, path)
            while rows := list(islice(records, size)):
                yield Chunk(first, len(rows), json.dumps([header, *rows]).encode())
                first += len(rows)
        except csv.Error as error:
            raise InputError(
                f"--input {path}, line {records.line_num}: {error}; quotes within a quoted field must be doubled"
            ) from error


def _csv_rows(chunk: Chunk) -> list[Row]:
    header, *records = json.loads(chunk.content)
    return [
        Row(number, dict(zip(header, record, strict=True)) if len(record) == len(header) else None)
        for number, record in enumerate(records, chunk.first_row)
    ]


def _parquet_chunks(path: str, size: int) -> Iterator[Chunk]:
    store, inner = storage.filesystem(path)
    first = 1
    with store.open_input_file(inner) as content:
        file = open_parquet(content, title=f"--input {path}", buffer_size=_BUFFER, pre_buffer=False)
        _check_columns(file.schema_arrow.names, path)
        for batch in file.iter_batches(batch_size=size):
            yield Chunk(first, batch.num_rows, stream_bytes(pa.Table.from_batches([batch])))
            first += batch.num_rows


def _parquet_rows(chunk: Chunk) -> list[Row]:
    table = read_stream(chunk.content, title="chunk")
    return [Row(number, values) for number, values in enumerate(table.to_pylist(), chunk.first_row)]


def _check_columns(names: Sequence[str], path: str) -> None:
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise InputError(f"--input {path}: duplicate columns {', '.join(duplicates)}; rename them")
