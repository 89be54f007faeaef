"""Symmetrisation: one alignment out of the two that the directions of a word aligner give.

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
    """Return one alignment; both arguments hold links (source word, target word)."""
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

    As long as there is one, add a neighbour (diagonal ones, too) of a link that is there where its source word or its
    target word is not aligned yet.
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
    """Return what `grow_diag` does, and what both words of are not aligned then, from each direction (final-and)."""
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
    """Return `alignment` with the candidates that it reaches; `candidates` are in order, the best one first.

    As long as there is one, the best candidate is added that is a neighbour (diagonal ones, too) of a link that is
    there, and whose source word or target word is not aligned yet. Unlike in `grow_diag`, the order of the words is
    of no account.
    """
    grown = set(alignment)
    sources, targets = _aligned(grown)
    left = [link for link in candidates if link not in grown]
    while True:
        reached = (
            link
            for link in left
            if (link[0] not in sources or link[1] not in targets) and not grown.isdisjoint(_neighbours(link))
        )
        best = next(reached, None)
        if best is None:
            return grown
        left.remove(best)
        grown.add(best)
        sources.add(best[0])
        targets.add(best[1])


def _aligned(alignment: Iterable[Link]) -> tuple[set[int], set[int]]:
    """Return the source words and the target words that have links."""
    sources: set[int] = set()
    targets: set[int] = set()
    for i, j in alignment:
        sources.add(i)
        targets.add(j)
    return sources, targets


def _neighbours(link: Link) -> list[Link]:
    return [(link[0] + step_i, link[1] + step_j) for step_i, step_j in _NEIGHBOURS]
