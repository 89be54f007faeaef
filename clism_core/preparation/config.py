"""The configuration of `prepare`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge

from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.cleaning import CleaningConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.entities import EntitiesConfig


@dataclass
class PrepareConfig:
    """How samples are made from parallel corpora."""

    corpora: list[CorpusConfig]
    """The parallel corpora; several of one language pair are aligned together."""
    output: str
    """Folder to write to, local or s3://. The same run again finds it finished and does nothing."""
    aligner: AlignerConfig = field(default_factory=AlignerConfig)
    """Which words of the target translate which of the source."""
    entities: EntitiesConfig = field(default_factory=EntitiesConfig)
    """Which spans of the source become questions."""
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    """What a sentence may be."""
    max_answer_words: Annotated[int, Ge(1)] = 10
    """Longest answer, in words (the paper: 10)."""
    rows_per_file: Annotated[int, Ge(1)] = 5000
    """Rows that are cleaned, aligned and searched together, and end up in one file of samples and one of rejects."""
