"""The aligner that a config names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.alignment.eflomal import EflomalAligner
from clism_core.preparation.spans import Link

if TYPE_CHECKING:
    from clism_core.preparation.alignment.embedding import EmbeddingAligner


class Aligner(Protocol):
    """What every aligner can do."""

    def align(self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> list[set[Link]]:
        """Return the links of each sentence pair, given as words."""
        ...


def learns(config: AlignerConfig) -> bool:
    """Tell whether the aligner learns from the corpus before it aligns."""
    return config.kind in ("eflomal", "combination")


def uses_encoder(config: AlignerConfig) -> bool:
    """Tell whether the aligner compares the states of an encoder."""
    return config.kind in ("embedding", "combination")


def load_aligner(config: AlignerConfig, *, priors: bytes | None) -> Aligner:
    """Return the aligner; `priors` are what `learn_priors` has learnt, where it learns."""
    if config.kind == "embedding":
        return _embedding(config)
    assert priors is not None
    eflomal = EflomalAligner(
        priors=priors, symmetrization=config.symmetrization, iterations=config.iterations, seed=config.seed
    )
    if config.kind == "eflomal":
        return eflomal
    from clism_core.preparation.alignment.combination import CombinationAligner

    return CombinationAligner(eflomal=eflomal, embedding=_embedding(config))


def _embedding(config: AlignerConfig) -> "EmbeddingAligner":
    # Imported here: torch and transformers take seconds, and eflomal wants none of them.
    from clism_core.preparation.alignment.embedding import EmbeddingAligner

    return EmbeddingAligner(config)
