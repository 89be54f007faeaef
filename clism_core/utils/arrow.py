"""Arrow tables as bytes, and the one place in which Arrow and Parquet files are opened.

Values of an extension type are made by the Python code that is registered for the type: Ray Data registers one that
unpickles, so that the file decides which code runs. Files are therefore opened here only, and refused by their schema
before any value is read; `tests/utils/test_arrow.py` finds readers that are called elsewhere.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq
from pyarrow import fs

from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.text import printable

_DATA_TYPES = frozenset({"arrow.bool8", "arrow.json", "arrow.uuid"})
"""Extension types of Arrow itself for Parquet's logical types, whose values are truth values, texts and UUIDs."""
_TYPE_NAME = b"ARROW:extension:name"
"""Metadata of a field by which a process that knows the type makes an extension type of it."""


def stream_bytes(table: pa.Table) -> bytes:
    """Return `table` in the Arrow IPC streaming format."""
    content = pa.BufferOutputStream()
    with pa.ipc.new_stream(content, table.schema) as stream:
        stream.write_table(table)
    return bytes(content.getvalue().to_pybytes())


def parquet_bytes(table: pa.Table) -> bytes:
    """Return `table` as a Parquet file."""
    content = pa.BufferOutputStream()
    pq.write_table(table, content, compression="zstd")
    return bytes(content.getvalue().to_pybytes())


def read_stream(content: bytes, *, title: str) -> pa.Table:
    """Return the table that `stream_bytes` has encoded; arguments and exceptions as in `open_parquet`."""
    with _open_stream(content, title) as stream:
        return stream.read_all()


def stream_schema(content: bytes, *, title: str) -> pa.Schema:
    """Return the schema of a table that `stream_bytes` has encoded; arguments and exceptions as in `open_parquet`."""
    with _open_stream(content, title) as stream:
        return stream.schema


def open_parquet(file: Any, *, title: str, columns: Collection[str] | None = None, **options: Any) -> pq.ParquetFile:
    """Open a Parquet file of which no column has an extension type.

    Args:
        file: open file or buffer.
        title: description of the file, with which messages begin.
        columns: dotted paths of the columns that the caller reads; None for all.
        options: further options of `pyarrow.parquet.ParquetFile`.

    Raises:
        InputError: if one of the columns has an extension type, however deeply nested.
        OSError, pyarrow.ArrowException: if the file cannot be read.
    """
    with _schema_errors(title):
        parquet = pq.ParquetFile(file, **options)
        schema = parquet.schema_arrow
    check_types(schema, title=title, columns=columns)
    return parquet


@contextmanager
def parquet_file(path: str, content: bytes | None = None) -> Iterator[pq.ParquetFile]:
    """Open the Parquet file at `path`, local or s3://, or its `content` if that has been read already.

    Raises:
        InputError: as `open_parquet` and `parquet_errors` do.
    """
    with parquet_errors(path):
        if content is not None:
            yield open_parquet(pa.BufferReader(content), title=path)
            return
        store, inner = storage.filesystem(path)
        with store.open_input_file(inner) as stream:
            yield open_parquet(stream, title=path)


@contextmanager
def parquet_errors(path: str) -> Iterator[None]:
    """Turn errors of a block that reads the Parquet file or folder `path` into an `InputError` that names it.

    Errors of an object store are raised as they are: trying again may succeed.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if "AWS Error" in str(error) and not isinstance(error, FileNotFoundError):
            raise
        raise InputError(f"{path}: cannot be read as Parquet: missing, truncated or damaged ({error})") from error


def open_parquet_dataset(files: str | list[str], *, schema: pa.Schema, store: fs.FileSystem) -> pds.Dataset:
    """Open Parquet files, or the folder that contains them, as one data set whose values have the types of `schema`."""
    check_types(schema, title="data set")
    return pds.dataset(files, schema=schema, format="parquet", filesystem=store)


def check_types(schema: pa.Schema, *, title: str, columns: Collection[str] | None = None) -> None:
    """Raise `InputError` if a column has an extension type; arguments as in `open_parquet`."""
    for field in schema:
        is_read = columns is None or any(f"{column}.".startswith(f"{field.name}.") for column in columns)
        kind = _extension_type(field) if is_read else None
        if kind is not None:
            raise InputError(
                f"{title}: the column {printable(field.name)!r} has the extension type {printable(kind)}, whose values "
                "may run code when they are read; write it again as text, numbers, lists or structs, or remove it"
            )


def _extension_type(field: pa.Field) -> str | None:
    """Return the name of the first extension type in a field, known to this process or not; None if there is none."""
    kind, name = field.type, (field.metadata or {}).get(_TYPE_NAME)
    if isinstance(kind, pa.BaseExtensionType):
        name = kind.extension_name.encode()
    if name is not None:
        text = str(name.decode(errors="backslashreplace"))
        return None if text in _DATA_TYPES else text
    inner = [kind.field(number) for number in range(kind.num_fields)]
    if pa.types.is_dictionary(kind):  # has no fields
        inner = [pa.field("values", kind.value_type)]
    return next(filter(None, map(_extension_type, inner)), None)


@contextmanager
def _open_stream(content: bytes, title: str) -> Iterator[pa.RecordBatchStreamReader]:
    with _schema_errors(title):
        stream = pa.ipc.open_stream(content)
    with stream:
        check_types(stream.schema, title=title)
        yield stream


@contextmanager
def _schema_errors(title: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException):
        raise
    except Exception as error:  # raised by the code of an extension type that cannot be restored
        raise InputError(f"{title}: a column has an extension type that is not supported: {error}") from error
