"""Search for informative spans of the source: entities, noun chunks, n-grams."""

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from threadpoolctl import threadpool_limits

from clism_core.preparation.entities.config import EntitiesConfig, SpanKind
from clism_core.preparation.entities.ngrams import NgramVocabulary
from clism_core.preparation.entities.spacy_pipeline import find_pipeline, load_pipeline, supports_language
from clism_core.preparation.entities.stop_words import is_informative, stop_words, warn_without_stop_words
from clism_core.preparation.schema import RejectReason, replace_column, words_of
from clism_core.preparation.spans import NGRAM, NOUN_CHUNK, Candidate
from clism_core.utils.errors import InputError
from clism_core.utils.words import Word

if TYPE_CHECKING:
    from spacy.tokens import Doc

_MAX_NEW_STRINGS = 500_000
"""Number of new words (about 65 MB) after which a pipeline is reloaded, because its vocabulary never shrinks."""

_APOSTROPHE = "['’‘＇ʼ`´]"
_POSSESSIVE = re.compile(rf"(?<=\w) ?{_APOSTROPHE}[sS]\Z")
_POSSESSIVE_OR_APOSTROPHE = re.compile(rf"{_POSSESSIVE.pattern}|(?<=[sSzZxX]) ?{_APOSTROPHE}\Z")
_OPENING_QUOTE = re.compile(rf"(?<!\w){_APOSTROPHE}(?=\w)")


def check_entities(config: EntitiesConfig, *, languages: Collection[str]) -> None:
    """Check `config` for sources in `languages`, and log a warning for languages without stop words.

    Raises `InputError` if the pipeline is not installed, lacks a component that `span_kind` needs, or is for another
    language.
    """
    pipeline = find_pipeline(config)
    for language in sorted(set(languages)):
        if pipeline is not None and not supports_language(pipeline, language):
            raise InputError(
                f"entities.pipeline: {pipeline['name']} is for {pipeline['lang']}, but a source_lang of corpora is "
                f"{language}; give a pipeline for {language}, a multilingual one (xx), or entities.span_kind ngrams"
            )
    warn_without_stop_words(languages)


class EntityFinder:
    """Actor state that fills in `candidates`; it loads the pipeline or the n-grams once.

    The candidates of a sentence are the same in every block of the same rows, and hardly depend on the other rows:
    with the CPU pipelines that spaCy publishes, scores differ in the sixth decimal place; with a transformer, which
    pads sentences to the same length, somewhat more.
    """

    def __init__(self, config: EntitiesConfig, *, ngrams: dict[str, str] | None = None) -> None:
        """Load the models for `span_kind`; `ngrams` maps source languages to the paths of their `NgramVocabulary`."""
        # Actors run concurrently, one per CPU.
        threadpool_limits(limits=1, user_api="blas")
        is_by_ngrams = config.span_kind == "ngrams"
        self._find = _NgramSearch(config, paths=ngrams or {}) if is_by_ngrams else _PipelineSearch(config)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Find candidates in rows that are not rejected yet; reject rows without candidates as `no_span`.

        All rows of `table` are of the same language pair.
        """
        reasons = table["reason"].to_pylist()
        candidates: list[object] = [None] * table.num_rows
        live = [place for place, reason in enumerate(reasons) if reason is None]
        if live:
            found = self._find(table.take(pa.array(live, pa.int64())))
            for place, spans in zip(live, found, strict=True):
                candidates[place] = [span._asdict() for span in spans]
                if not spans:
                    reasons[place] = RejectReason.NO_SPAN
        return replace_column(replace_column(table, "candidates", candidates), "reason", reasons)


class _PipelineSearch:
    def __init__(self, config: EntitiesConfig) -> None:
        self._config = config
        self._load()

    def __call__(self, rows: pa.Table) -> list[list[Candidate]]:
        if len(self._nlp.vocab.strings) > self._most_strings:
            self._load()
        config, stops = self._config, stop_words(rows["source_lang"][0].as_py())
        texts = rows["source"].to_pylist()
        # Sort by length for batches of similar length. Equal sentences are analysed only once.
        unique = sorted(set(texts), key=lambda text: (len(text), text))
        docs = self._nlp.pipe(unique, batch_size=config.batch_size)
        found = {
            text: find_candidates(doc, span_kind=config.span_kind, max_tokens=config.max_tokens, stops=stops)
            for text, doc in zip(unique, docs, strict=True)
        }
        return [found[text] for text in texts]

    def _load(self) -> None:
        self._nlp = load_pipeline(self._config)
        self._most_strings = len(self._nlp.vocab.strings) + _MAX_NEW_STRINGS


class _NgramSearch:
    def __init__(self, config: EntitiesConfig, *, paths: dict[str, str]) -> None:
        self._max_ngrams = config.ngram_max_per_sentence
        self._vocabularies = {language: NgramVocabulary.load(path) for language, path in paths.items()}

    def __call__(self, rows: pa.Table) -> list[list[Candidate]]:
        vocabulary = self._vocabularies[rows["source_lang"][0].as_py()]
        columns = zip(rows["source"].to_pylist(), words_of(rows["source_words"]), strict=True)
        return [find_ngrams(text, words, vocabulary=vocabulary, max_ngrams=self._max_ngrams) for text, words in columns]


def find_candidates(doc: "Doc", *, span_kind: SpanKind, max_tokens: int, stops: Collection[str]) -> list[Candidate]:
    """Return the informative spans of an analysed sentence, without noun chunks that overlap an entity.

    Possessive endings ("Italy's", "the Joneses’") are not part of a span: a translation may be "of Italy".
    """
    found = [] if span_kind == "noun_chunks" else [(entity, entity.label_) for entity in doc.ents]
    if span_kind != "entities":
        in_entity = {token.i for entity, _ in found for token in entity}
        found += [
            (chunk, NOUN_CHUNK) for chunk in doc.noun_chunks if in_entity.isdisjoint(range(chunk.start, chunk.end))
        ]
    return [
        _candidate(doc.text, span.start_char, span.end_char, label)
        for span, label in found
        if len(span) <= max_tokens and any(is_informative(token.text, stops=stops) for token in span)
    ]


def _candidate(text: str, start: int, end: int, label: str) -> Candidate:
    return Candidate(start, start + len(without_possessive(text[start:end])), label)


def without_possessive(name: str) -> str:
    """Return `name` without a possessive ending: 's, or the apostrophe after a plural or name in s, z or x.

    The apostrophe of the latter may also end a quotation that begins in `name`; then it is kept.
    """
    ending = _POSSESSIVE if _OPENING_QUOTE.search(name) else _POSSESSIVE_OR_APOSTROPHE
    return ending.sub("", name)


def find_ngrams(text: str, words: Sequence[Word], *, vocabulary: NgramVocabulary, max_ngrams: int) -> list[Candidate]:
    """Return at most `max_ngrams` informative n-grams of a sentence, without overlaps."""
    ngrams = vocabulary.find([text[start:end] for start, end in words], max_ngrams=max_ngrams)
    return [_candidate(text, words[ngram.start][0], words[ngram.stop - 1][1], NGRAM) for ngram in ngrams]
