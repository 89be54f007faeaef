"""Alignments in Pharaoh format, such as `0-0 1-2`: the output of GIZA++ (through Moses), fast_align, eflomal and
awesome-align."""

import re
from collections.abc import Iterable, Sequence

from clism_core.preparation.alignment.aligner import Aligner, Words
from clism_core.preparation.spans import Link

_NUMBER = r"\d{1,9}"  # longer than any sentence, and within the limits of Python's int() and of int32 columns
_LINK = rf"{_NUMBER}-{_NUMBER}"
_LINE = re.compile(rf"\s*(?:{_LINK}(?:\s+{_LINK})*\s*)?")


class PharaohAligner(Aligner):
    """Precomputed links, from the `alignment_path` of a corpus."""

    is_precomputed = True

    def align(self, sources: Sequence[Words], targets: Sequence[Words]) -> list[set[Link]]:
        """Raise `NotImplementedError`: the links are read with the corpus."""
        raise NotImplementedError


def parse_links(line: str) -> set[Link] | None:
    """Return the links of `line`; None if it is not a list of `i-j` with at most nine digits each."""
    if not _LINE.fullmatch(line):
        return None
    return {(int(i), int(j)) for i, j in (link.split("-") for link in line.split())}


def format_links(links: Iterable[Link]) -> str:
    """Return `links` in Pharaoh format, sorted by source word, then target word."""
    return " ".join(f"{i}-{j}" for i, j in sorted(links))
