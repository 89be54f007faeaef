"""Symmetrization: combination of the forward and reverse links of a word aligner into one alignment.

Philipp Koehn, Franz Josef Och, Daniel Marcu: Statistical phrase-based translation (NAACL 2003), section 3.1, and the
Moses manual.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Literal

from clism_core.preparation.spans import Link

Symmetrization = Literal["intersection", "grow_diag", "grow_diag_final_and", "union"]

_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def symmetrize(forward: AbstractSet[Link], reverse: AbstractSet[Link], method: Symmetrization) -> set[Link]:
    """Return one alignment; the links of both directions are (source word, target word)."""
    match method:
        case "intersection":
            return set(forward & reverse)
        case "union":
            return set(forward | reverse)
        case "grow_diag":
            return grow_diag(forward, reverse)
        case "grow_diag_final_and":
            return grow_diag_final_and(forward, reverse)


def grow_diag(forward: AbstractSet[Link], reverse: AbstractSet[Link]) -> set[Link]:
    """Return the intersection, grown within the union.

    While possible, add a link of the union that is adjacent (also diagonally) to an existing link and whose source or
    target word is unaligned.
    """
    alignment = set(forward & reverse)
    sources, targets = _aligned(alignment)
    union = sorted(forward | reverse)
    candidates = set(union) - alignment
    size_before = -1
    while size_before != len(alignment):
        size_before = len(alignment)
        for link in union:
            if link not in alignment:
                continue
            for near in _neighbours(link):
                if near in candidates and (near[0] not in sources or near[1] not in targets):
                    candidates.discard(near)
                    alignment.add(near)
                    sources.add(near[0])
                    targets.add(near[1])
    return alignment


def grow_diag_final_and(forward: AbstractSet[Link], reverse: AbstractSet[Link]) -> set[Link]:
    """Return the result of `grow_diag` plus, from each direction, the links between two unaligned words (final-and)."""
    alignment = grow_diag(forward, reverse)
    sources, targets = _aligned(alignment)
    for direction in (forward, reverse):
        for link in sorted(direction):
            if link[0] not in sources and link[1] not in targets:
                alignment.add(link)
                sources.add(link[0])
                targets.add(link[1])
    return alignment


def grow(alignment: AbstractSet[Link], candidates: Iterable[Link]) -> set[Link]:
    """Return `alignment`, grown by adjacent candidates; `candidates` are sorted, the best one first.

    While possible, add the best candidate that is adjacent (also diagonally) to an existing link and whose source or
    target word is unaligned. Unlike in `grow_diag`, the order of the words does not matter.
    """
    grown = set(alignment)
    sources, targets = _aligned(grown)
    remaining = [link for link in candidates if link not in grown]
    while True:
        reachable = (
            link
            for link in remaining
            if (link[0] not in sources or link[1] not in targets) and not grown.isdisjoint(_neighbours(link))
        )
        best = next(reachable, None)
        if best is None:
            return grown
        remaining.remove(best)
        grown.add(best)
        sources.add(best[0])
        targets.add(best[1])


def _aligned(alignment: Iterable[Link]) -> tuple[set[int], set[int]]:
    """Return the aligned source words and target words."""
    sources: set[int] = set()
    targets: set[int] = set()
    for i, j in alignment:
        sources.add(i)
        targets.add(j)
    return sources, targets


def _neighbours(link: Link) -> list[Link]:
    return [(link[0] + step_i, link[1] + step_j) for step_i, step_j in _NEIGHBOURS]
