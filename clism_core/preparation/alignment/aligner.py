"""Interface of the word aligners, and their lookup by name."""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from clism_core.preparation.alignment.config import ALIGNERS, AlignerConfig
from clism_core.preparation.spans import Link

Words = Sequence[str]
"""A sentence, given as its words."""
Draw = Callable[[int], tuple[Iterable[Words], Iterable[Words]]]
"""Returns at most so many sentence pairs of a corpus, drawn at random: their sources and their targets."""


class Aligner(ABC):
    """A word aligner; each process that aligns loads it once for a language pair."""

    packages: ClassVar[tuple[str, ...]] = ()
    """Packages whose versions the links depend on."""
    uses_encoder: ClassVar[bool] = False
    """Whether it loads the encoder `config.model`, on a GPU if there is one."""
    is_precomputed: ClassVar[bool] = False
    """Whether corpora bring the links along, of words as white space cuts them; `align` is then not called."""

    @classmethod  # noqa: B027 (most aligners require nothing)
    def check(cls, config: AlignerConfig) -> None:
        """Raise `InputError` if something that the aligner requires is missing, before any work starts."""

    @classmethod
    def learn(cls, config: AlignerConfig, draw: Draw) -> bytes:  # noqa: ARG003
        """Return what the aligner learns from a corpus of a language pair, empty if it learns nothing.

        Args:
            config: settings of the aligner.
            draw: returns a sample of the corpus.
        """
        return b""

    def __init__(self, config: AlignerConfig, learnt: bytes = b"") -> None:
        """Load the aligner; `learnt` is the result of `learn` for its language pair."""
        self._config = config
        self._learnt = learnt

    @abstractmethod
    def align(self, sources: Sequence[Words], targets: Sequence[Words]) -> list[set[Link]]:
        """Return the links of each sentence pair."""


def aligner_class(config: AlignerConfig) -> type[Aligner]:
    """Return the class of the aligner that a configuration names; only its module is imported."""
    found: type[Aligner] = pkgutil.resolve_name(ALIGNERS[config.kind])
    return found
