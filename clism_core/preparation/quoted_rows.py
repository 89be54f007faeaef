"""Rows of a corpus, quoted in error messages."""

from collections.abc import Mapping, Sequence
from typing import Any

from clism_core.utils.text import printable

QUOTED = 2
"""Number of rows quoted: one may be an exception, and more are not read."""
_MAX_LENGTH = 60  # code points of a text


def quoted_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the numbers and texts of the first two of `rows`, such as `line 3: 'The house' => 'Das Haus'`.

    Rows have the columns `line`, `source` and `target`, of which the texts may be None.
    """
    return ", ".join(
        f"line {row['line']}: {_quoted(row['source'])} => {_quoted(row['target'])}" for row in rows[:QUOTED]
    )


def _quoted(text: str | None) -> str:
    if text is None:
        return "(none)"
    return f"'{printable(text if len(text) <= _MAX_LENGTH else f'{text[:_MAX_LENGTH]}...')}'"
