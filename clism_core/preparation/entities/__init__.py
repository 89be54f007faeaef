"""Informative spans of the source, found by a spaCy pipeline of any language or by n-gram frequency."""

from clism_core.preparation.entities.config import EntitiesConfig, SpanKind
from clism_core.preparation.entities.finder import EntityFinder, check_entities, find_candidates
from clism_core.preparation.entities.ngrams import NgramVocabulary, learn_ngrams
from clism_core.preparation.entities.spacy_pipeline import PipelineMeta, find_pipeline, load_pipeline, supports_language

__all__ = [
    "EntitiesConfig",
    "EntityFinder",
    "NgramVocabulary",
    "PipelineMeta",
    "SpanKind",
    "check_entities",
    "find_candidates",
    "find_pipeline",
    "learn_ngrams",
    "load_pipeline",
    "supports_language",
]
