"""Configuration of `prepare`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge

from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.cleaning import CleaningConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.entities import EntitiesConfig
from clism_core.utils.fields import Output


@dataclass
class PrepareConfig:
    """Preparation of span-masked samples from parallel corpora."""

    corpora: list[CorpusConfig]
    """Parallel corpora; those of the same language pair are aligned together."""
    output: Annotated[str, Output()]
    """Output folder, local or s3://. If the same run is started again, it finds finished data and does nothing."""
    aligner: AlignerConfig = field(default_factory=AlignerConfig)
    """Word alignment of source and target sentences."""
    entities: EntitiesConfig = field(default_factory=EntitiesConfig)
    """Spans of the source sentences that become questions."""
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    """Filters for sentences and sentence pairs."""
    max_answer_words: Annotated[int, Ge(1)] = 10
    """Maximum length of an answer in words (the paper: 10)."""
    partial_answers: bool = False
    """Whether to keep spans in which a word other than a stop word has no link, so that its translation may be missing
    from the answer. docs/alignment.md has measurements."""
    rows_per_file: Annotated[int, Ge(1)] = 5000
    """Rows per shard: a shard is cleaned, aligned and searched for spans as a whole, and becomes one file of samples
    and one of rejects."""
