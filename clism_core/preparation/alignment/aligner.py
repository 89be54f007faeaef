"""Interface of word aligners, and their lookup by name."""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from clism_core.preparation.alignment.config import ALIGNERS, AlignerConfig
from clism_core.preparation.spans import Link

Words = Sequence[str]
"""Words of a sentence."""
Draw = Callable[[int], tuple[Iterable[Words], Iterable[Words]]]
"""Function that draws at most the given number of sentence pairs at random and returns their sources and targets."""


class Aligner(ABC):
    """A word aligner; every process that aligns loads it once per language pair."""

    packages: ClassVar[tuple[str, ...]] = ()
    """Packages whose versions the links depend on."""
    uses_encoder: ClassVar[bool] = False
    """Whether the aligner loads the encoder `config.model`, on a GPU if there is one."""
    is_precomputed: ClassVar[bool] = False
    """Whether corpora contain the links, between words separated by white space; `align` is then not called."""

    needs_text: ClassVar[bool] = False
    """Whether links are only as good as the corpus is large: a warning is logged below `config.min_pairs`."""

    @classmethod  # noqa: B027 (most aligners require nothing)
    def check(cls, config: AlignerConfig) -> None:
        """Raise `InputError` if a requirement of the aligner is missing; called before any work starts."""

    @classmethod
    def learn(cls, config: AlignerConfig, draw: Draw) -> bytes:  # noqa: ARG003
        """Train the aligner on a corpus of a language pair; return the trained parameters, empty if there are none.

        Args:
            config: settings of the aligner.
            draw: draws a sample of the corpus.
        """
        return b""

    def __init__(self, config: AlignerConfig, learnt: bytes = b"") -> None:
        """Load the aligner; `learnt` is the result of `learn` for the language pair."""
        self._config = config
        self._learnt = learnt

    @abstractmethod
    def align(self, sources: Sequence[Words], targets: Sequence[Words]) -> list[set[Link]]:
        """Return the links of each sentence pair."""


def aligner_class(config: AlignerConfig) -> type[Aligner]:
    """Return the class of the configured aligner; only its module is imported."""
    aligner: type[Aligner] = pkgutil.resolve_name(ALIGNERS[config.kind])
    return aligner
