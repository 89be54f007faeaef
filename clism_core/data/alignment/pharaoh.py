"""Alignments written as `0-0 1-2`: what GIZA++ (through Moses), fast_align, eflomal and awesome-align give out."""

import re
from collections.abc import Iterable

from clism_core.data.spans import Link

_LINE = re.compile(r"\s*(?:\d+-\d+(?:\s+\d+-\d+)*\s*)?")


def parse_links(line: str) -> set[Link] | None:
    """Return the links of `line`, None where it is no list of `i-j`."""
    if not _LINE.fullmatch(line):
        return None
    return {(int(i), int(j)) for i, j in (link.split("-") for link in line.split())}


def format_links(links: Iterable[Link]) -> str:
    """Return `links` in the order of the source words, then of the target words."""
    return " ".join(f"{i}-{j}" for i, j in sorted(links))
