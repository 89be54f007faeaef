"""JSON Lines: a JSON object a line, in which a dotted path such as `translation.en` finds a text."""

import json
import re
from collections.abc import Generator, Iterator
from typing import Any

from clism_core.data.corpus.config import CorpusConfig, RawRow
from clism_core.data.corpus.lines import line_blocks, room
from clism_core.data.schema import Reason

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` rows of a file; return how many lines it has.

    A line that is no JSON object, or has no text where `config` says, is a row with the reason `invalid_record` and
    what could be had of it. The origin may be missing or null. Raises `InputError` where the file cannot be read to
    its end.
    """
    places = [_keys(column) for column in (config.source_column, config.target_column, config.origin_column)]
    source_keys, target_keys, origin_keys = places
    total = 0
    for block in line_blocks(path):
        for number, line in enumerate(block[: room(limit, total)], start=total + 1):
            if line is None:
                yield RawRow(path, number, reason=Reason.TOO_LONG)
                continue
            record = _parse(line)
            source, target = _find(record, source_keys), _find(record, target_keys)
            origin = _find(record, origin_keys) if origin_keys else None
            reason = None
            if not (isinstance(source, str) and isinstance(target, str) and isinstance(origin, str | None)):
                reason = Reason.INVALID_RECORD
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


def _keys(column: int | str | None) -> list[str]:
    return [] if column is None else str(column).split(".")


def _parse(line: str) -> Any:
    """Return what a line holds; None where it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # the second where brackets nest too deeply
        return None


def _find(record: Any, keys: list[str]) -> Any:
    """Return the value at a path; None where there is none."""
    for key in keys:
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _text_without_surrogates(value: Any) -> str | None:
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else None
