"""Untrusted text from corpora and models: invalid characters, and safe output on a terminal."""

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

MAX_NAME_LENGTH = 80
"""Maximum number of code points shown of a name in a list."""
MAX_NAMES = 20
"""Maximum number of names shown in a list."""


LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair: not a character, and not encodable in UTF-8."""


def printable(text: str) -> str:
    """Escape non-printable characters, which could move a terminal's cursor or change the direction of text."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


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
