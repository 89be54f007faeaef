"""Reader of tab-separated files: one pair per line, no quoting."""

import itertools
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.format import COLUMNS, ROWS_CHECKED, Format
from clism_core.preparation.corpus.lines import MAX_TEXT, line_blocks, lines, remaining
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed


@dataclass(frozen=True)
class _Layout:
    """Column indices of a file's fields, from 0, and the number of columns per line."""

    columns: int
    source: int
    target: int
    origin: int | None


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` rows of a file and return its number of rows.

    A line whose number of columns differs from that of the first line becomes a row without texts. Raises `InputError`
    if the file cannot be read to its end, or lacks a configured column.
    """
    layout: _Layout | None = None
    total, number = 0, 0
    for block in line_blocks(path, config.encoding):
        rows = block
        if layout is None:
            layout = _layout(path, config, block[0])
            if config.header:
                rows, number = block[1:], 1
        columns, source, target, origin = layout.columns, layout.source, layout.target, layout.origin
        for line in rows[: remaining(limit, total)]:
            number += 1
            if line is None:
                yield RawRow(path, number, reason=RejectReason.TOO_LONG)
                continue
            fields = line.split("\t")
            if len(fields) == columns:
                yield RawRow(path, number, fields[source], fields[target], None if origin is None else fields[origin])
            else:
                yield RawRow(path, number, reason=RejectReason.WRONG_COLUMN_COUNT)
        total += len(rows)
    return total


def column_counts(path: str, config: CorpusConfig, count: int) -> list[int]:
    """Return the number of columns of a file's first line, then the most common one in the rest of `count` lines."""
    first, *others = [
        1 + (line or "").count("\t") for line in itertools.islice(lines(path, encoding=config.encoding), count)
    ]
    return [first, *(columns for columns, _ in Counter(others).most_common(1))]


def first_fields(path: str, config: CorpusConfig) -> list[str]:
    """Return the fields of the first line of a file, such as the names in its header."""
    return _fields(next(lines(path, encoding=config.encoding), None) or "")


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split("\t")]


def _layout(path: str, config: CorpusConfig, first_line: str | None) -> _Layout:
    """Return the indices of the configured columns in a file whose first line is `first_line`."""
    if first_line is None:
        raise InputError(f"corpora: {path}: the first line has more than {MAX_TEXT:,} bytes: not a TSV file")
    names = _fields(first_line)

    def index(field: str) -> int:
        column: int | str = getattr(config, field)
        where = f"corpora: {path}: {field} is {column!r}"
        if isinstance(column, str):
            if not config.header:
                raise InputError(f"{where}, a name, but header is false; give a number, or header: true")
            if column not in names:
                raise InputError(f"{where}, not found in the header, which has {listed(names)}")
            if names.count(column) > 1:
                raise InputError(
                    f"{where}, which {names.count(column)} columns of the header are named; give its number"
                )
            return names.index(column)
        if not 1 <= column <= len(names):
            raise InputError(f"{where}, but the first line has {len(names)} tab-separated columns")
        return column - 1

    origin = None if config.origin_column is None else index("origin_column")
    return _Layout(columns=len(names), source=index("source_column"), target=index("target_column"), origin=origin)


def _wrong_columns(path: str, config: CorpusConfig) -> str:
    first, *common = column_counts(path, config, ROWS_CHECKED)
    return (
        f"have a different number of columns from the first line, which has {first}; most have {common[0]}; remove any "
        "text before the rows, or give the actual format of the file"
    )


def _check_equal_columns(rows: Mapping[str, Sequence[RawRow]], config: CorpusConfig) -> None:
    """Raise `InputError` if files of one corpus differ in their number of columns, or in columns given by number."""
    first, *others = rows
    expected = first_fields(first, config)
    numbered = [name for name in sorted(COLUMNS) if _is_numbered(name, config)]
    for path in others:
        found = first_fields(path, config)
        if len(found) != len(expected):
            raise InputError(
                f"corpora: {path} has {len(found)} columns, but {first} of the same corpus has {len(expected)}; add "
                "one entry to corpora for each kind of file"
            )
        for name in numbered if config.header else ():
            column = getattr(config, name)
            if found[column - 1] != expected[column - 1]:
                raise InputError(
                    f"corpora: {path}: {name} is {column}, which is {listed([found[column - 1]])} in its header, but "
                    f"{listed([expected[column - 1]])} in the header of {first} of the same corpus; give the columns "
                    "by name, or add one entry to corpora for each kind of file"
                )


def _is_numbered(name: str, config: CorpusConfig) -> bool:
    return isinstance(getattr(config, name), int)


FORMAT = Format(
    read=read,
    fields=COLUMNS | {"header", "encoding"},
    describe={RejectReason.WRONG_COLUMN_COUNT: _wrong_columns},
    check=_check_equal_columns,
)
