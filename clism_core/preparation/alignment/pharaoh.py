"""Alignments written as `0-0 1-2`: what GIZA++ (through Moses), fast_align, eflomal and awesome-align give out."""

import re
from collections.abc import Iterable, Sequence

from clism_core.preparation.alignment.aligner import Aligner, Words
from clism_core.preparation.spans import Link

_NUMBER = r"\d{1,9}"  # more than any sentence has words, and no more than Python and the columns of int32 take
_LINK = rf"{_NUMBER}-{_NUMBER}"
_LINE = re.compile(rf"\s*(?:{_LINK}(?:\s+{_LINK})*\s*)?")


class PharaohAligner(Aligner):
    """Links that corpora bring along in the files of `alignment_path`."""

    is_precomputed = True

    def align(self, sources: Sequence[Words], targets: Sequence[Words]) -> list[set[Link]]:
        """Raise: the links are read with the corpus."""
        raise NotImplementedError


def parse_links(line: str) -> set[Link] | None:
    """Return the links of `line`, None where it is no list of `i-j` of at most nine digits each."""
    if not _LINE.fullmatch(line):
        return None
    return {(int(i), int(j)) for i, j in (link.split("-") for link in line.split())}


def format_links(links: Iterable[Link]) -> str:
    """Return `links` in the order of the source words, then of the target words."""
    return " ".join(f"{i}-{j}" for i, j in sorted(links))
