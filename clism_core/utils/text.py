"""Untrusted text from corpora and models: invalid characters, and safe output on a terminal."""

import itertools
import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

ValueT = TypeVar("ValueT")

MAX_NAME_LENGTH = 80
"""Maximum number of code points shown of a name in a list."""
MAX_NAMES = 20
"""Maximum number of names shown in a list."""


LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair: not a character, and not encodable in UTF-8."""


def printable(text: str) -> str:
    """Escape non-printable characters, which could move a terminal's cursor or change the direction of text."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def printable_lines(text: str) -> str:
    """Return `text` with non-printable characters escaped, except for line breaks."""
    return "\n".join(map(printable, text.split("\n")))


class PrintableFormatter(logging.Formatter):
    """Formatter of log records for a terminal, which escapes non-printable characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, and the traceback if there is one."""
        return printable_lines(super().format(record))


_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def csv_cell(value: ValueT) -> ValueT | str:
    """Return a value for a CSV file: texts that a spreadsheet would run as a formula get a leading apostrophe.

    Such a text begins with `=`, `+`, `-`, `@`, a tab or a carriage return, and is not a number.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def listed(names: Iterable[str]) -> str:
    """Return the first 20 of `names`, printable and separated by commas; "..." marks omissions.

    A name is truncated to 80 code points before escaping, which may lengthen it.
    """
    first = list(itertools.islice(names, MAX_NAMES + 1))
    shown = [printable(name if len(name) <= MAX_NAME_LENGTH else f"{name[:MAX_NAME_LENGTH]}...") for name in first]
    return ", ".join([*shown[:MAX_NAMES], "..."] if len(first) > MAX_NAMES else shown)


def describe(values: Mapping[str, object]) -> str:
    """Format names and values in one line, such as `seed 3, learning_rate 1e-05`, with four digits for floats."""
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def json_object(text: str) -> dict[str, Any] | None:
    """Parse a JSON object; return None if `text` is anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # the latter if brackets nest too deeply
        return None
    return value if isinstance(value, dict) else None
