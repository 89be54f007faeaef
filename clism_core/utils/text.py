"""Text of others, from corpora and models: what of it is no character, and how it may stand on a terminal."""

import itertools
import re
from collections.abc import Iterable

LONGEST_NAME = 80
"""Code points of a name that are shown in a list."""
MOST_NAMES = 20
"""Names that are shown in a list."""


LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which is no character: UTF-8 cannot hold it."""


def printable(text: str) -> str:
    """Return `text` with escapes in place of what would move a terminal's cursor or turn its direction."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def listed(names: Iterable[str]) -> str:
    """Return the first 20 of `names`, printable and separated by commas; "..." says what is left out.

    A name is cut after 80 code points, of which an escape may make more.
    """
    first = list(itertools.islice(names, MOST_NAMES + 1))
    shown = [printable(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...") for name in first]
    return ", ".join([*shown[:MOST_NAMES], "..."] if len(first) > MOST_NAMES else shown)
