"""Combination of a statistical aligner and of the states of an encoder: better than either by itself.

The two err differently: counts over a corpus know what an encoder has never seen translated, and an encoder knows the
rare words that counts say nothing of. What was measured stands in docs/alignment.md.
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

# In standard deviations of the similarities of a sentence pair. Chosen by benchmarks/alignment_quality.py: 0.2 and 0.4
# are about as good.
_VOTE = 0.3


class CombinationAligner(Aligner):
    """Aligns sentence pairs by eflomal and by an encoder, and combines both."""

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
    has it. The links that are the best one of both their words by the evidence are grown, the best candidate first, by
    those of `candidates` that are beside a link and whose source word or target word is not aligned yet.

    A similarity may be NaN, where nothing is known of a word: it has links where a direction has them only. With no
    similarity at all, the result is the intersection of the directions.
    """
    known_ST = ~np.isnan(similarity)
    if not known_ST.any():
        return set(forward & reverse)
    forward_ST, reverse_ST = links_to_mask(forward, similarity.shape), links_to_mask(reverse, similarity.shape)
    evidence_ST = (similarity - np.nanmean(similarity)) / (np.nanstd(similarity) or 1.0)
    evidence_ST = np.where(known_ST, evidence_ST, np.nanmin(evidence_ST) - 1)  # behind all that is known
    evidence_ST += _VOTE * forward_ST + _VOTE * reverse_ST
    allowed_ST = known_ST | forward_ST | reverse_ST
    links = mask_to_links(mutual_argmax(evidence_ST) & allowed_ST)
    further = mask_to_links(candidates(forward_ST, reverse_ST, unit_scale(similarity)) & allowed_ST)
    return grow(links, sorted_by_score(further, evidence_ST))


def candidates(forward_ST: Mask, reverse_ST: Mask, similarity_ST: Matrix) -> Mask:
    """Return the links that may be added: what three of four directions have, and the credible ones of Itermax.

    An encoder has directions like eflomal's: the best target word of each source word, and the other way round. A link
    of SimAlign's Itermax is credible where a direction of eflomal has it or the target word likes no other better: what
    a source word without a translation likes best, mostly a function word, would spoil the answer that it is put into.
    """
    best_target_ST, best_source_ST = np.zeros_like(forward_ST), np.zeros_like(forward_ST)
    best_target_ST[np.arange(similarity_ST.shape[0]), similarity_ST.argmax(axis=1)] = True
    best_source_ST[similarity_ST.argmax(axis=0), np.arange(similarity_ST.shape[1])] = True
    votes_ST = forward_ST.astype(int) + reverse_ST + best_target_ST + best_source_ST
    credible_ST: Mask = itermax(similarity_ST) & (forward_ST | reverse_ST | best_source_ST)
    return credible_ST | (votes_ST >= 3)
