"""Rows from Arrow tables, as read from Parquet files and data sets of the hub."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.lines import MAX_TEXT
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

ROWS_PER_BATCH = 1000


def wanted_columns(config: CorpusConfig) -> list[str]:
    """Return the dotted paths of the configured columns: source, target and, if given, origin."""
    columns = (config.source_column, config.target_column, config.origin_column)
    return [str(column) for column in columns if column is not None]


def check_schema(schema: pa.Schema, config: CorpusConfig, *, path: str) -> None:
    """Raise `InputError` if a configured column is missing from `schema`, is there twice, or does not hold text.

    The origin may also be a number, a truth value or a time, or have the type null, with which a column of nulls is
    written.
    """
    columns = _columns(schema)
    for column in wanted_columns(config):
        if column not in columns:
            texts = listed(name for name, [(_, kind), *_] in columns.items() if _is_text(kind))
            raise InputError(f"corpora: {path} has no column {column!r}; its text columns are {texts}")
        (_, kind), *others = columns[column]
        if others:
            raise InputError(
                f"corpora: {path} has {1 + len(others)} columns {column!r}; rename or remove all but one of them"
            )
        if not (_is_text(kind) or (column == config.origin_column and _has_text(kind))):
            raise InputError(f"corpora: {path}: the column {column!r} has type {kind}, not text")


def read_batches(batches: Iterable[pa.RecordBatch | pa.Table], config: CorpusConfig, *, path: str) -> Iterator[RawRow]:
    """Yield the rows of `batches`, numbered from 1; a null text becomes an empty text, a null origin None."""
    number = 0
    for batch in batches:
        columns = [_texts(batch, column) for column in wanted_columns(config)]
        if config.origin_column is None:
            columns.append([b""] * batch.num_rows)
        for source, target, origin in zip(*columns, strict=True):
            number += 1
            if source is None or target is None:
                yield RawRow(path, number, reason=RejectReason.TOO_LONG)
            else:
                yield RawRow(path, number, _decode(source), _decode(target), _decode(origin or b"") or None)


def _texts(batch: pa.RecordBatch | pa.Table, column: str) -> list[bytes | None]:
    """Return the cells of a column: empty for nulls, None for more than `MAX_TEXT` bytes."""
    [((first, *fields), kind)] = _columns(batch.schema)[column]
    values = batch.column(first)
    if fields:
        values = pc.struct_field(values, fields)
    if not _is_text(kind):
        values = pc.cast(values, pa.string())  # there is no direct cast to bytes
    # As bytes, because Arrow does not check that strings are valid UTF-8, and Python would fail on invalid ones.
    filled = pc.fill_null(pc.cast(values, pa.large_binary()), b"")
    is_short = pc.less_equal(pc.binary_length(filled), MAX_TEXT)
    cells: list[bytes | None] = pc.if_else(is_short, filled, None).to_pylist()
    return cells


def _columns(schema: pa.Schema) -> dict[str, list[tuple[list[str], pa.DataType]]]:
    """Return the nested names and the type of each column, by its dotted path: more than one if the path is ambiguous.

    Names may contain dots: a column named `translation.en` takes precedence over the field `en` of `translation`.
    """
    leaves: dict[str, list[tuple[list[str], pa.DataType]]] = {}
    for names, kind in _leaves(schema):
        same = leaves.setdefault(".".join(names), [])
        if same and len(names) < len(same[0][0]):
            same.clear()
        if not same or len(names) == len(same[0][0]):
            same.append((names, kind))
    return leaves


def _leaves(fields: Iterable[pa.Field]) -> Iterator[tuple[list[str], pa.DataType]]:
    for field in fields:
        if pa.types.is_struct(field.type):
            yield from (([field.name, *names], kind) for names, kind in _leaves(field.type))
        else:
            yield [field.name], field.type


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return any(
        check(kind)
        for check in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,  # written for strings by old writers
            pa.types.is_large_binary,
        )
    )


def _has_text(kind: pa.DataType) -> bool:
    """Return whether values of a type other than text can be written as text without loss."""
    if pa.types.is_dictionary(kind):
        return _has_text(kind.value_type)
    return any(
        check(kind)
        for check in (
            pa.types.is_null,
            pa.types.is_boolean,
            pa.types.is_integer,
            pa.types.is_floating,
            pa.types.is_decimal,
            pa.types.is_date,
            pa.types.is_time,
            pa.types.is_timestamp,
        )
    )


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "replace")
