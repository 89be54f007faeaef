"""Reader of JSON Lines: one JSON object per line, whose texts are selected by dotted paths such as `translation.en`."""

import json
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.format import COLUMNS, Format
from clism_core.preparation.corpus.lines import line_blocks, remaining
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError
from clism_core.utils.text import LONE_SURROGATE, json_object, listed


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` rows of a file and return its number of lines.

    A line that is not a JSON object, or lacks a text in a configured field, becomes a row with the reason
    `invalid_record` and the texts that could be read. An origin that is neither text nor a number is dropped. Raises
    `InputError` if the file cannot be read to its end.
    """
    source_path, target_path = str(config.source_column), str(config.target_column)
    origin_path = None if config.origin_column is None else str(config.origin_column)
    total = 0
    for block in line_blocks(path, config.encoding):
        for number, line in enumerate(block[: remaining(limit, total)], start=total + 1):
            if line is None:
                yield RawRow(path, number, reason=RejectReason.TOO_LONG)
                continue
            record = json_object(line)
            source, target = _find(record, source_path), _find(record, target_path)
            origin = None if origin_path is None else _origin(_find(record, origin_path))
            reason = None if isinstance(source, str) and isinstance(target, str) else RejectReason.INVALID_RECORD
            # Text decoded from UTF-8 holds no surrogates, but a JSON escape such as \ud800 can create one.
            text = _text_without_surrogates if "\\u" in line else _text
            yield RawRow(path, number, text(source), text(target), text(origin), reason=reason)
        total += len(block)
    return total


def field_names(path: str, config: CorpusConfig) -> list[str]:
    """Return the dotted paths of all texts in the first line of a file; an empty list if it is not a JSON object."""
    first = next(line_blocks(path, config.encoding), [None])[0]
    return list(_text_paths(json_object(first or "")))


def _text_paths(record: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(record, dict):
        for name, value in record.items():
            if isinstance(value, str):
                yield f"{prefix}{name}"
            yield from _text_paths(value, f"{prefix}{name}.")


def _find(record: Any, path: str) -> Any:
    """Return the value at a dotted path, preferring a field whose name is the whole path; None if there is none."""
    if not isinstance(record, dict):
        return None
    if path in record:
        return record[path]
    name, dot, rest = path.partition(".")
    return _find(record.get(name), rest) if dot else None


def _origin(value: Any) -> str | None:
    """Return the origin as text; None for other values, which do not make the pair invalid."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else _text(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _text_without_surrogates(value: Any) -> str | None:
    return LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else None


def _check(rows: Mapping[str, Sequence[RawRow]], config: CorpusConfig) -> None:
    for path in rows:
        _check_names(path, config)
    _check_origins(rows, config)


def _check_names(path: str, config: CorpusConfig) -> None:
    """Raise `InputError` if the first line has two fields of a configured name, of which a parser keeps the last."""
    repeated: set[str] = set()

    def note_repeated(pairs: list[tuple[str, Any]]) -> None:
        repeated.update(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)

    with suppress(ValueError, RecursionError):  # such lines are rejects
        json.loads(next(line_blocks(path, config.encoding))[0] or "", object_pairs_hook=note_repeated)
    for column in (config.source_column, config.target_column, config.origin_column):
        name = next((name for name in (str(column), *str(column).split(".")) if name in repeated), None)
        if name is not None:
            raise InputError(f"corpora: {path}: the first line has several fields {name!r}; rename all but one of them")


def _check_origins(rows: Mapping[str, Sequence[RawRow]], config: CorpusConfig) -> None:
    if config.origin_column is None:
        return
    checked = [row for part in rows.values() for row in part]
    path = next(iter(rows))
    # A file without origins is valid if other files of the corpus have them.
    if not any(row.origin for row in checked):
        raise InputError(
            f"corpora: {config.path}: origin_column {config.origin_column!r} not found in any of the {len(checked):,} "
            f"rows checked; in {path} {_known_fields(path, config)}"
        )


def _invalid_records(path: str, config: CorpusConfig) -> str:
    return (
        f"are not a JSON object on one line with text in {config.source_column} and {config.target_column}; "
        f"{_known_fields(path, config)}"
    )


def _known_fields(path: str, config: CorpusConfig) -> str:
    names = field_names(path, config)
    return f"the first line has text in {listed(names)}" if names else "the first line is not a JSON object with text"


FORMAT = Format(
    read=read,
    fields=COLUMNS | {"encoding"},
    named_columns=True,
    describe={RejectReason.INVALID_RECORD: _invalid_records},
    check=_check,
)
