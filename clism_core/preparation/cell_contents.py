"""Recognition of columns that hold no sentences: scores, identifiers, addresses and the like."""

from collections.abc import Sequence

import regex

_MIN_SHARE = 0.9
"""Fraction of the cells of a column from which on it has the content of these cells."""
_MAX_LABELS = 0.05
"""Maximum number of distinct labels, as a fraction of the cells."""
_MAX_LABEL_LENGTH = 40
_MAX_CELL = 1000  # code points of a cell that are looked at

_KINDS = {
    "numbers": r"[-+±]?(?=.*\p{Nd})[\p{Nd}.,'\s]+(?:[eE][-+]?\d+)?\s*%?|[-+]?(?:nan|NaN|inf|Infinity)",
    "dates or times": r"(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4})?(?:(?:^|[T\s])\d{1,2}:\d{2}\S*)?(?:\s?[AP]M)?",
    "addresses": r"(?:[a-z][a-z0-9+.-]*://|www\.)\S+|[\w.+:-]+@[\w-]+(?:\.[\w-]+)+|(?:[a-z0-9-]+\.)+[a-z]{2,}/\S*",
    "JSON": r"\s*(?:\{.*\}|\[.*\])\s*",
    "file names": r"[!-~]*[/\\][!-~]*|[!-~]+\.(?:txt|tsv|xml|html?|srt|wav|mp3|gz|pdf)",
    "identifiers": r"(?=[!-~]*\d)[A-Za-z0-9_.:/#@=+|~-]+|[0-9a-f-]{16,}",
    "symbols": r"[\p{P}\p{S}\p{N}\s]+",
}
"""Patterns of the whole text of a cell, by what the cell holds; the first one that matches counts."""
_PATTERNS = {kind: regex.compile(pattern, flags=regex.DOTALL) for kind, pattern in _KINDS.items()}
_LABEL = regex.compile(r"[!-~]+")


def content_of_cells(cells: Sequence[str]) -> str | None:
    """Return what nearly all of the cells of a column hold, in the plural, if it is no text; None if it may be.

    Blank cells do not count. Numbers, addresses and so on are also found if a column holds several kinds of them; the
    most common one is returned.
    """
    filled = [cell for each in cells if (cell := each[:_MAX_CELL].strip())]
    if not filled:
        return None
    counts = dict.fromkeys(_PATTERNS, 0)
    for cell in filled:
        kind = next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(cell)), None)
        if kind is not None:
            counts[kind] += 1
    if sum(counts.values()) >= _MIN_SHARE * len(filled):
        return max(counts, key=lambda kind: counts[kind])
    return "labels" if _are_labels(filled) else None


def _are_labels(cells: Sequence[str]) -> bool:
    """Return whether the cells are single words, of which there are few, such as names of sources or languages."""
    labels = [cell for cell in cells if len(cell) <= _MAX_LABEL_LENGTH and _LABEL.fullmatch(cell)]
    return len(labels) >= _MIN_SHARE * len(cells) and len(set(labels)) <= _MAX_LABELS * len(cells)
