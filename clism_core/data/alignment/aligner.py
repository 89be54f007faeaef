"""The aligner that a config names."""

from collections.abc import Sequence
from typing import Protocol

from clism_core.data.alignment.config import AlignerConfig
from clism_core.data.alignment.eflomal import EflomalAligner
from clism_core.data.spans import Link


class Aligner(Protocol):
    """What every aligner can do."""

    def align(self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> list[set[Link]]:
        """Return the links of each sentence pair, given as words."""
        ...


def learns(config: AlignerConfig) -> bool:
    """Tell whether the aligner learns from the corpus before it aligns."""
    return config.kind in ("eflomal", "combination")


def load_aligner(config: AlignerConfig, *, priors: bytes | None) -> Aligner:
    """Return the aligner; `priors` are what `learn_priors` has learnt, where it learns."""
    if config.kind == "embedding":
        return _embedding(config)
    assert priors is not None
    return EflomalAligner(
        priors=priors, symmetrization=config.symmetrization, iterations=config.iterations, seed=config.seed
    )


def _embedding(config: AlignerConfig) -> Aligner:
    # Imported here: torch and transformers take seconds, and eflomal wants none of them.
    from clism_core.data.alignment.embedding import EmbeddingAligner

    return EmbeddingAligner(config)
