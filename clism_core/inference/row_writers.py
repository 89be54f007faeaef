"""Writers of rows with predictions; the output file appears atomically."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from clism_core.inference.records import Reject
from clism_core.inference.row_readers import FileFormat
from clism_core.utils import storage
from clism_core.utils.arrow import read_stream, stream_bytes
from clism_core.utils.errors import InputError
from clism_core.utils.text import csv_cell

_NOT_ARROW = (pa.ArrowException, OverflowError, UnicodeEncodeError)
"""Exceptions that Arrow raises for values that a type cannot represent."""


class UnfitError(InputError):
    """A row that does not fit into the columns of the output."""

    def __init__(self, column: str) -> None:
        super().__init__(f"{column} does not fit into the columns of the first rows")
        self.column = column
        """Column that does not fit; empty if unknown."""


class RowWriter(Protocol):
    """Writer of rows that `encode_rows` encoded."""

    def __call__(self, encoded: bytes) -> object:
        """Append encoded rows."""


def encode_rows(
    rows: Sequence[tuple[int, Mapping[str, Any]]], *, kind: FileFormat, columns: Sequence[str], schema: pa.Schema | None
) -> bytes:
    """Encode rows as a part of a file.

    Args:
        rows: row numbers and values, predictions included.
        kind: format of the file.
        columns: columns of a CSV file.
        schema: schema of a Parquet file.

    Raises:
        UnfitError: if a row does not fit into the columns or their types.
        InputError: if the format cannot represent the values of a column.
    """
    if kind == "jsonl":
        return _json_lines(values for _, values in rows)
    if kind == "csv":
        return _csv_bytes(rows, columns)
    return _parquet_bytes(rows, schema)


def encode_rejects(rejects: Sequence[Reject]) -> bytes:
    """Return rejected rows as JSON lines with `row`, `reason` and, if a column is the cause, `column`."""
    return _json_lines({name: value for name, value in reject._asdict().items() if value != ""} for reject in rejects)


def table_schema(rows: Sequence[Mapping[str, Any]]) -> pa.Schema:
    """Infer the Parquet schema of rows; a column without values is text.

    Raises:
        InputError: if the values of a column have incompatible types.
    """
    columns = dict.fromkeys(column for row in rows for column in row)
    fields = []
    for column in columns:
        try:
            kind = pa.array([row.get(column) for row in rows]).type
            field = pa.field(column, pa.string() if pa.types.is_null(kind) else kind)
            pq.ParquetWriter(io.BytesIO(), pa.schema([field])).close()  # fails for structs without fields
        except _NOT_ARROW as error:
            raise InputError(f"column {column} cannot be written as Parquet: {error}; give a .jsonl output") from error
        fields.append(field)
    return pa.schema(fields)


@contextmanager
def output_file(path: str) -> Iterator[IO[bytes]]:
    """Open a file that appears at `path` when the block succeeds, gzip-compressed if its name ends in .gz."""
    with storage.atomic_file(path) as file:
        if path.endswith(".gz"):
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
                yield cast("IO[bytes]", compressed)
        else:
            yield file


@contextmanager
def row_writer(
    file: IO[bytes], *, kind: FileFormat, columns: Sequence[str], schema: pa.Schema | None
) -> Iterator[RowWriter]:
    """Open a writer that appends encoded rows to `file` and completes the file at the end of the block."""
    if kind == "parquet":
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            yield lambda encoded: writer.write_table(read_stream(encoded, title="chunk"))
        return
    if kind == "csv":
        file.write(_csv_bytes([(0, dict(zip(columns, columns, strict=True)))], columns))
    yield lambda encoded: file.write(encoded)  # noqa: PLW0108 (`file.write` is overloaded)


def _csv_bytes(rows: Sequence[tuple[int, Mapping[str, Any]]], columns: Sequence[str]) -> bytes:
    pieces = []
    for _, values in rows:
        unknown = sorted(set(values) - set(columns))
        if unknown:
            raise UnfitError(unknown[0])
        line = io.StringIO(newline="")
        # The csv module quotes "\r" only if it is part of the line terminator.
        csv.writer(line, lineterminator="\r\n").writerow([_csv_text(values.get(column)) for column in columns])
        pieces.append(line.getvalue().removesuffix("\r\n") + "\n")
    return "".join(pieces).encode("utf-8", "backslashreplace")


def _csv_text(value: Any) -> str:
    if value is None:
        return ""
    text = _json(value) if isinstance(value, bool | list | dict) else _json_text(value)
    return text if isinstance(value, int | float) else csv_cell(text)


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as JSON lines; a lone surrogate, which UTF-8 cannot encode, is escaped as in JSON."""
    return "".join(_json(row) + "\n" for row in rows).encode("utf-8", "backslashreplace")


def _json(value: Any) -> str:
    """Return a value as JSON; NaN and infinities, which JSON does not have, become null."""
    text = json.dumps(value, ensure_ascii=False, default=_json_text)
    if "NaN" in text or "Infinity" in text:  # as numbers, or within a string, which does not change
        text = json.dumps(json.loads(text, parse_constant=lambda _: None), ensure_ascii=False)
    return text


def _json_text(value: Any) -> str:
    """Return the text of a value without a JSON type, such as a date."""
    if isinstance(value, bytes):
        raise InputError("a column contains bytes, which only Parquet supports; give a .parquet output")
    return str(value)


def _parquet_bytes(rows: Sequence[tuple[int, Mapping[str, Any]]], schema: pa.Schema | None) -> bytes:
    assert schema is not None
    try:
        table = pa.Table.from_pylist([dict(values) for _, values in rows], schema=schema)
    except _NOT_ARROW as error:
        raise UnfitError(_not_arrow(rows, schema)) from error
    for (_, values), written in zip(rows, table.to_pylist(), strict=True):
        unfit = next(
            (name for name, value in values.items() if name not in written or _is_lossy(value, written[name])), None
        )
        if unfit is not None:
            raise UnfitError(unfit)
    return stream_bytes(table)


def _not_arrow(rows: Sequence[tuple[int, Mapping[str, Any]]], schema: pa.Schema) -> str:
    """Return the first column whose type cannot represent the values of the rows."""
    for field in schema:
        try:
            pa.array([values.get(field.name) for _, values in rows], type=field.type)
        except _NOT_ARROW:
            return str(field.name)
    return ""


def _is_lossy(value: Any, written: Any) -> bool:
    """Return whether Arrow silently dropped a part of a value: unknown fields, fractions of numbers."""
    if isinstance(value, Mapping) and isinstance(written, Mapping):
        return any(name not in written or _is_lossy(each, written[name]) for name, each in value.items())
    if isinstance(value, list) and isinstance(written, list):
        return any(_is_lossy(each, other) for each, other in zip(value, written, strict=True))
    return isinstance(value, float) and not isinstance(written, float) and value != written
