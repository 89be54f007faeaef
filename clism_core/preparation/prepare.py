"""Preparation of span-masked samples from parallel corpora: the checks before it, its stages, and its manifest."""

import dataclasses
import logging
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

from clism_core.model.resolve import is_folder, pin_version
from clism_core.preparation.alignment.aligner import aligner_class
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import check_corpus, input_paths, source_identity
from clism_core.preparation.corpus import with_absolute_paths as corpus_with_absolute_paths
from clism_core.preparation.corpus.formats import FORMATS
from clism_core.preparation.entities import check_entities, find_pipeline
from clism_core.preparation.given_alignment import check_alignments
from clism_core.preparation.integrity import check_samples
from clism_core.preparation.manifest import (
    MANIFEST,
    Manifest,
    content_digest,
    fingerprint,
    finish_output,
    open_output,
    package_versions,
    pair_counts,
)
from clism_core.preparation.preflight import check_texts
from clism_core.preparation.report.page import write_report
from clism_core.preparation.sample_stage import MADE
from clism_core.preparation.stages import clean_corpora, learn, list_shards, make_samples
from clism_core.preparation.staging import Work
from clism_core.preparation.statistics import BlockStatistics, merge_statistics
from clism_core.preparation.yields import Yields, check_yields
from clism_core.utils import storage
from clism_core.utils.digests import FileDigest, count_kinds, file_digests, folder_digest, folder_state
from clism_core.utils.errors import InputError, input_error_within
from clism_core.utils.fields import Incidental, check_bounds, without_fields
from clism_core.utils.words import SEGMENTED_LANGUAGES, base_language, check_segmenter

__all__ = ["Preparation", "PrepareConfig", "find_finished", "model_folders", "plan", "prepare"]

logger = logging.getLogger(__name__)

_MAX_CORPORA = 100  # sample ids have two digits for the corpus
_PATHS = ("path", "target_path", "alignment_path")
"""Fields of a corpus that are paths."""


@dataclass(frozen=True)
class Preparation:
    """Checked configuration of a preparation, and everything that its result depends on."""

    config: PrepareConfig
    """Configuration with absolute paths and pinned versions."""
    versions: dict[str, str]
    inputs: Sequence[Sequence[FileDigest]]
    """Digests of the files of each corpus."""
    fingerprint: str


def plan(config: PrepareConfig) -> Preparation:
    """Check `config` and digest its inputs; needs no cluster. Raises `InputError` if they are invalid."""
    config = with_absolute_paths(config)
    check(config)
    config = with_pinned_versions(config)
    versions = _versions(config)
    files = [input_paths(corpus) for corpus in config.corpora]
    digests = iter(file_digests([file for corpus_files in files for file in corpus_files]))
    inputs = [list(islice(digests, len(corpus_files))) for corpus_files in files]
    return Preparation(config, versions, inputs, _fingerprint(config, inputs, versions))


def find_finished(preparation: Preparation) -> Manifest | None:
    """Return the manifest if `output` contains the result of this preparation; None if it is not finished.

    Raises `InputError` if `output` contains other prepared data, or files of samples are missing, added or changed.
    """
    output = preparation.config.output
    if not storage.exists(storage.join(output, MANIFEST)):
        return None
    manifest = open_output(output, fingerprint=preparation.fingerprint)
    if manifest is not None:
        check_samples(output, manifest)
    return manifest


def prepare(preparation: Preparation) -> Manifest:
    """Prepare the data on the connected Ray cluster, and return the manifest.

    Raises `InputError` if a corpus is found to be invalid while it is read, or none of its rows has become a sample.
    """
    config = preparation.config
    finished = open_output(config.output, fingerprint=preparation.fingerprint)
    if finished is not None:
        logger.info("%s is already prepared", config.output)
        return finished
    work = Work(config.output, fingerprint=preparation.fingerprint)
    with _quiet_console():
        try:
            manifest = _run(preparation, work)
        except Exception as error:
            cause = input_error_within(error)
            if cause is None:
                raise
            raise cause from None
    check_samples(config.output, manifest)  # of shards made before an interruption
    finish_output(config.output, manifest)
    return manifest


def _run(preparation: Preparation, work: Work) -> Manifest:
    config = preparation.config
    corpora_rows = clean_corpora(config, work)
    shards = list_shards(config, corpora_rows)
    learn(config, work, shards)
    make_samples(config, work, shards)
    beyond_cap = Counter[str]()
    for corpus, rows in zip(config.corpora, corpora_rows, strict=True):
        beyond_cap[corpus.pair] += rows["beyond_cap"]
    yields = Yields()
    blocks: dict[str, BlockStatistics] = {}
    by_pair = {pair: [shard for shard in shards if shard.pair == pair] for pair in beyond_cap}
    for pair, part in by_pair.items():
        made = work.read_all_json(MADE, [shard.name for shard in part])
        blocks[pair] = merge_statistics(yields.add(part, made))
    samples = sum(block["samples"] for block in blocks.values())
    manifest = Manifest(
        samples=samples,
        rejects=sum(block["rows"] for block in blocks.values()) - samples,
        pairs={
            pair: pair_counts(
                block,
                beyond_cap=beyond_cap[pair],
                markup=yields.markup[pair],
                partial_answers=yields.partial_answers[pair],
            )
            for pair, block in blocks.items()
        },
        config=dataclasses.asdict(config),
        versions=preparation.versions,
        fingerprint=preparation.fingerprint,
        content=content_digest(yields.files, (shard.name for part in by_pair.values() for shard in part)),
        input_digests=count_kinds(chain.from_iterable(preparation.inputs)),
        files=yields.files,
    )
    write_report(manifest, examples={pair: block["examples"] for pair, block in blocks.items()}, folder=config.output)
    check_yields(config, shards, yields)
    return manifest


def check(config: PrepareConfig) -> None:
    """Raise `InputError` for whatever can be found to be invalid or missing without reading whole corpora."""
    check_bounds(config)
    if not 1 <= len(config.corpora) <= _MAX_CORPORA:
        raise InputError(
            f"corpora: has {len(config.corpora)} entries; give 1 to {_MAX_CORPORA}, each with any number of files"
        )
    aligner = aligner_class(config.aligner)
    for corpus in config.corpora:
        beginning = check_corpus(corpus)
        given_alignment = aligner.is_precomputed
        if (corpus.alignment_path is None) == given_alignment:
            raise InputError(
                f"corpora: {corpus.path}: alignment_path and aligner.kind pharaoh require each other, but aligner.kind "
                f"is {config.aligner.kind}; give both or neither"
            )
        if corpus.alignment_base and not given_alignment:
            raise InputError(f"corpora: {corpus.path}: alignment_base is given, but alignment_path is not")
        if not given_alignment:  # otherwise, the corpus is segmented already
            check_segmenter(corpus.source_lang)
            check_segmenter(corpus.target_lang)
        check_texts(beginning, corpus=corpus, cleaning=config.cleaning, given_alignment=given_alignment)
        if given_alignment:
            check_alignments(*beginning.values(), corpus=corpus)
    check_entities(config.entities, languages={corpus.source_lang for corpus in config.corpora})
    aligner.check(config.aligner)


def with_absolute_paths(config: PrepareConfig) -> PrepareConfig:
    """Return `config` with absolute paths, since Ray's workers run in another folder."""
    corpora = [corpus_with_absolute_paths(corpus) for corpus in config.corpora]
    config = dataclasses.replace(config, output=storage.absolute(config.output), corpora=corpora)
    for part, name in model_folders(config):
        settings = getattr(config, part)
        settings = dataclasses.replace(settings, **{name: storage.absolute(getattr(settings, name))})
        config = dataclasses.replace(config, **{part: settings})
    return config


def with_pinned_versions(config: PrepareConfig) -> PrepareConfig:
    """Return `config` with the current revisions of its hub data sets and encoder, so that all workers use the same."""
    corpora = [
        dataclasses.replace(corpus, revision=source_identity(corpus).get("revision", corpus.revision))
        for corpus in config.corpora
    ]
    aligner = config.aligner
    if aligner_class(aligner).uses_encoder:
        aligner = dataclasses.replace(aligner, model=pin_version(aligner.model))
    return dataclasses.replace(config, corpora=corpora, aligner=aligner)


def model_folders(config: PrepareConfig) -> dict[tuple[str, str], str]:
    """Return the models in use that are folders, by group and field in `config`, such as ("aligner", "model")."""
    used = {}
    if aligner_class(config.aligner).uses_encoder:
        used["aligner", "model"] = config.aligner.model
    if config.entities.pipeline is not None and config.entities.span_kind != "ngrams":
        used["entities", "pipeline"] = config.entities.pipeline
    return {place: path for place, path in used.items() if is_folder(path)}


def _versions(config: PrepareConfig) -> dict[str, str]:
    """Return the versions of all packages and pipelines that affect the samples."""
    versions = {"python": platform.python_version()} | package_versions(
        "clism", "spacy", "regex", "babel", "pycld2", "pyarrow", *aligner_class(config.aligner).packages
    )
    if any(
        base_language(language) in SEGMENTED_LANGUAGES
        for corpus in config.corpora
        for language in (corpus.source_lang, corpus.target_lang)
    ):
        versions |= package_versions("icu4py")
    pipeline = find_pipeline(config.entities)
    return versions if pipeline is None else versions | {pipeline["name"]: pipeline["version"]}


def _fingerprint(config: PrepareConfig, inputs: Sequence[Sequence[FileDigest]], versions: dict[str, str]) -> str:
    settings = without_fields(config, Incidental)
    for corpus in settings["corpora"]:
        for name in _PATHS:
            if FORMATS[corpus["format"]].has_files:  # identified by content, not by path
                del corpus[name]
    for (part, name), folder in model_folders(config).items():
        settings[part][name] = folder_digest(folder)
    model = config.aligner.model
    if aligner_class(config.aligner).uses_encoder and model.startswith("s3://"):
        settings["aligner"]["model"] = [model, folder_state(model)]
    values = [[digest.value for digest in corpus] for corpus in inputs]
    return fingerprint(inputs=values, config=settings, versions=versions)


@contextmanager
def _quiet_console() -> Iterator[None]:
    """Keep Ray Data's messages off the console: it prints each traceback three times before it raises the error."""
    consoles = [handler for handler in logging.getLogger("ray.data").handlers if handler.name == "console"]
    levels = [handler.level for handler in consoles]
    for handler in consoles:
        handler.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for handler, level in zip(consoles, levels, strict=True):
            handler.setLevel(level)
