"""Combination of a statistical aligner and of the states of an encoder: better than either by itself.

The two err differently: counts over a corpus know what an encoder has never seen translated, and an encoder knows the
rare words that counts say nothing of. What was measured stands in docs/alignment.md.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from clism_core.data.alignment.eflomal import EflomalAligner
from clism_core.data.alignment.embedding import (
    EmbeddingAligner,
    Matrix,
    by_score,
    itermax,
    links_of,
    mutual_argmax,
    unit_scale,
)
from clism_core.data.alignment.symmetrize import grow
from clism_core.data.spans import Link

# In standard deviations of the similarities of a sentence pair. Chosen by benchmarks/alignment_quality.py; 0.2 to 0.5
# and 1.5 to 2.5 are about as good.
_VOTE = 0.3
_LEAST_EVIDENCE = 2.0


class CombinationAligner:
    """Aligns sentence pairs by eflomal and by an encoder, and combines both."""

    def __init__(self, *, eflomal: EflomalAligner, embedding: EmbeddingAligner) -> None:
        self._eflomal = eflomal
        self._embedding = embedding

    def align(self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> list[set[Link]]:
        """Return the links of each sentence pair, given as words. Raises as `EflomalAligner` does."""
        directions = self._eflomal.both_directions(sources, targets)
        found: list[set[Link]] = [set() for _ in sources]
        for number, similarity in self._embedding.similarities(sources, targets):
            forward, reverse = directions[number]
            found[number] = combine(forward, reverse, similarity)
        return found


def combine(forward: AbstractSet[Link], reverse: AbstractSet[Link], similarity: Matrix) -> set[Link]:
    """Return one alignment out of eflomal's two directions and the similarities (S, T) of the words.

    The evidence for a link is its similarity, standardised over the sentence pair, and a vote of each direction that
    has it. Links are those that are the best one of both their words by the evidence; to these are added, the best one
    first, the links of SimAlign's Itermax that have evidence enough, are beside a link, and whose source word or target
    word is not aligned yet.

    A similarity may be NaN, where nothing is known of a word: it has links where a direction has them only. With no
    similarity at all, the result is the intersection of the directions.
    """
    known_ST = ~np.isnan(similarity)
    if not known_ST.any():
        return set(forward & reverse)
    evidence_ST = (similarity - np.nanmean(similarity)) / (np.nanstd(similarity) or 1.0)
    evidence_ST = np.where(known_ST, evidence_ST, np.nanmin(evidence_ST) - 1)  # behind all that is known
    for direction in (forward, reverse):
        for link in direction:
            evidence_ST[link] += _VOTE
            known_ST[link] = True
    best = links_of(mutual_argmax(evidence_ST) & known_ST)
    further = itermax(unit_scale(similarity)) & known_ST & (evidence_ST >= _LEAST_EVIDENCE)
    return grow(best, by_score(links_of(further), evidence_ST))
