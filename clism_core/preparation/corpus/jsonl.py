"""JSON Lines: a JSON object a line, in which a dotted path such as `translation.en` finds a text."""

import json
from collections.abc import Generator, Iterator
from typing import Any

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.lines import line_blocks, room
from clism_core.preparation.schema import Reason
from clism_core.utils.text import LONE_SURROGATE


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` rows of a file; return how many lines it has.

    A line that is no JSON object, or has no text where `config` says, is a row with the reason `invalid_record` and
    what could be had of it. An origin that is neither a text nor a number is none. Raises `InputError` where the file
    cannot be read to its end.
    """
    source_path, target_path = str(config.source_column), str(config.target_column)
    origin_path = None if config.origin_column is None else str(config.origin_column)
    total = 0
    for block in line_blocks(path):
        for number, line in enumerate(block[: room(limit, total)], start=total + 1):
            if line is None:
                yield RawRow(path, number, reason=Reason.TOO_LONG)
                continue
            record = _parse(line)
            source, target = _find(record, source_path), _find(record, target_path)
            origin = None if origin_path is None else _origin(_find(record, origin_path))
            reason = None if isinstance(source, str) and isinstance(target, str) else Reason.INVALID_RECORD
            # Text that was decoded from UTF-8 holds no surrogate, but an escape such as \ud800 makes one.
            text = _text_without_surrogates if "\\u" in line else _text
            yield RawRow(path, number, text(source), text(target), text(origin), reason=reason)
        total += len(block)
    return total


def field_names(path: str) -> list[str]:
    """Return the dotted paths of all texts in the first line of a file; none where that is no JSON object."""
    first = next(line_blocks(path), [None])[0]
    return list(_text_paths(_parse(first or "")))


def _text_paths(record: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(record, dict):
        for name, value in record.items():
            if isinstance(value, str):
                yield f"{prefix}{name}"
            yield from _text_paths(value, f"{prefix}{name}.")


def _parse(line: str) -> Any:
    """Return what a line holds; None where it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # the second where brackets nest too deeply
        return None


def _find(record: Any, path: str) -> Any:
    """Return the value at a dotted path, of a field whose own name is the path before others; None where none is."""
    if not isinstance(record, dict):
        return None
    if path in record:
        return record[path]
    name, dot, rest = path.partition(".")
    return _find(record.get(name), rest) if dot else None


def _origin(value: Any) -> str | None:
    """Return the origin as a text; a pair is none the worse for one that is no text."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else _text(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _text_without_surrogates(value: Any) -> str | None:
    return LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else None
