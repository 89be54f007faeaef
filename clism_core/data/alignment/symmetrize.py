"""Symmetrisation: one alignment out of the two that the directions of a word aligner give.

Philipp Koehn, Franz Josef Och, Daniel Marcu: Statistical phrase-based translation (NAACL 2003), section 3.1, and the
Moses manual.
"""

from collections.abc import Set as AbstractSet
from typing import Literal

from clism_core.data.spans import Link

Symmetrization = Literal["intersection", "grow_diag_final_and"]

_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def symmetrize(forward: AbstractSet[Link], reverse: AbstractSet[Link], method: Symmetrization) -> set[Link]:
    """Return one alignment; both arguments hold links (source word, target word)."""
    if method == "intersection":
        return set(forward & reverse)
    return grow_diag_final_and(forward, reverse)


def grow_diag_final_and(forward: AbstractSet[Link], reverse: AbstractSet[Link]) -> set[Link]:
    """Return the intersection, grown within the union.

    Grow-diag: as long as there is one, add a neighbour (diagonal ones, too) of a link that is there where its source
    word or its target word is not aligned yet. Final-and: add what both words of are not aligned, from each direction.
    """
    alignment = set(forward & reverse)
    sources = {i for i, _ in alignment}
    targets = {j for _, j in alignment}

    def add(link: Link) -> None:
        alignment.add(link)
        sources.add(link[0])
        targets.add(link[1])

    union = sorted(forward | reverse)
    candidates = set(union) - alignment
    size_before = -1
    while size_before != len(alignment):
        size_before = len(alignment)
        for i, j in union:
            if (i, j) not in alignment:
                continue
            for step_i, step_j in _NEIGHBOURS:
                link = (i + step_i, j + step_j)
                if link in candidates and (link[0] not in sources or link[1] not in targets):
                    candidates.discard(link)
                    add(link)
    for direction in (forward, reverse):
        for link in sorted(direction):
            if link[0] not in sources and link[1] not in targets:
                add(link)
    return alignment
