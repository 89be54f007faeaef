"""Combination of a statistical aligner with the states of an encoder: more accurate than either alone.

Their errors differ: corpus counts cover translations that the encoder has never seen, and the encoder covers rare words
for which counts are uninformative. See docs/alignment.md for measurements.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from clism_core.preparation.alignment.aligner import Aligner, Draw, Words
from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.alignment.eflomal import EflomalAligner
from clism_core.preparation.alignment.embedding import (
    EmbeddingAligner,
    Mask,
    Matrix,
    itermax,
    links_to_mask,
    mask_to_links,
    mutual_argmax,
    sorted_by_score,
    unit_scale,
)
from clism_core.preparation.alignment.symmetrize import grow
from clism_core.preparation.spans import Link

# In standard deviations of the similarities of a sentence pair. Chosen with benchmarks/alignment_quality.py; 0.2 and
# 0.4 are about as good.
_VOTE = 0.3


class CombinationAligner(Aligner):
    """Aligner that combines the links of eflomal with the similarities of an encoder."""

    packages = (*EflomalAligner.packages, *EmbeddingAligner.packages)
    uses_encoder = True

    @classmethod
    def check(cls, config: AlignerConfig) -> None:
        """Check both aligners."""
        EflomalAligner.check(config)
        EmbeddingAligner.check(config)

    @classmethod
    def learn(cls, config: AlignerConfig, draw: Draw) -> bytes:
        """Return eflomal's priors."""
        return EflomalAligner.learn(config, draw)

    def __init__(self, config: AlignerConfig, learnt: bytes = b"") -> None:
        super().__init__(config, learnt)
        self._eflomal = EflomalAligner(config, learnt)
        self._embedding = EmbeddingAligner(config)

    def align(self, sources: Sequence[Words], targets: Sequence[Words]) -> list[set[Link]]:
        """Return the links of each sentence pair, given as words. Raises the same errors as `EflomalAligner`."""
        directions = self._eflomal.both_directions(sources, targets)
        links: list[set[Link]] = [set() for _ in sources]
        for number, similarity in self._embedding.similarities(sources, targets):
            forward, reverse = directions[number]
            links[number] = combine(forward, reverse, similarity)
        return links


def combine(forward: AbstractSet[Link], reverse: AbstractSet[Link], similarity: Matrix) -> set[Link]:
    """Combine eflomal's two directions and the similarities (S, T) of the words into one alignment.

    The evidence for a link is its similarity, standardised over the sentence pair, plus one vote from each direction
    that contains it. The alignment starts with the links that have the most evidence for both of their words, and grows
    by the members of `candidates` that are adjacent to a link and whose source or target word is unaligned, most
    evidence first.

    A similarity is NaN if the encoder knows nothing about a word; such a word is linked only where a direction links
    it. If all similarities are NaN, the result is the intersection of the directions.
    """
    known_ST = ~np.isnan(similarity)
    if not known_ST.any():
        return set(forward & reverse)
    forward_ST, reverse_ST = links_to_mask(forward, similarity.shape), links_to_mask(reverse, similarity.shape)
    evidence_ST = (similarity - np.nanmean(similarity)) / (np.nanstd(similarity) or 1.0)
    evidence_ST = np.where(known_ST, evidence_ST, np.nanmin(evidence_ST) - 1)  # below all known evidence
    evidence_ST += _VOTE * forward_ST + _VOTE * reverse_ST
    allowed_ST = known_ST | forward_ST | reverse_ST
    links = mask_to_links(mutual_argmax(evidence_ST) & allowed_ST)
    additional = mask_to_links(candidates(forward_ST, reverse_ST, unit_scale(similarity)) & allowed_ST)
    return grow(links, sorted_by_score(additional, evidence_ST))


def candidates(forward_ST: Mask, reverse_ST: Mask, similarity_ST: Matrix) -> Mask:
    """Return the links that may be added: links in three of four directions, and the credible links of Itermax.

    Like eflomal, an encoder has two directions: the best target word of each source word, and vice versa. A link of
    SimAlign's Itermax is credible if it is in a direction of eflomal, or if the source word is the best one for the
    target word. Otherwise, a source word without a translation would be linked to its most similar target word, usually
    a function word, and corrupt the answers that include it.
    """
    best_target_ST, best_source_ST = np.zeros_like(forward_ST), np.zeros_like(forward_ST)
    best_target_ST[np.arange(similarity_ST.shape[0]), similarity_ST.argmax(axis=1)] = True
    best_source_ST[similarity_ST.argmax(axis=0), np.arange(similarity_ST.shape[1])] = True
    votes_ST = forward_ST.astype(int) + reverse_ST + best_target_ST + best_source_ST
    credible_ST: Mask = itermax(similarity_ST) & (forward_ST | reverse_ST | best_source_ST)
    return credible_ST | (votes_ST >= 3)
