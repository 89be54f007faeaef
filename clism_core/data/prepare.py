"""From parallel corpora to span-masked samples, by Ray Data: read, align, find spans, project answers, write."""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from clism_core import storage
from clism_core.data.alignment.eflomal import find_program
from clism_core.data.config import PrepareConfig
from clism_core.data.corpus import check_corpus, input_paths
from clism_core.data.entities import find_pipeline
from clism_core.data.manifest import (
    MANIFEST,
    Manifest,
    PairCounts,
    fingerprint,
    finish_output,
    folder_digest,
    no_rows,
    open_output,
    package_versions,
)
from clism_core.data.pipeline import TASK_CPUS, build_pipeline
from clism_core.data.sink import PreparedDataSink
from clism_core.data.tally import Tally
from clism_core.errors import InputError, input_error_within
from clism_core.model.names import absolute_if_folder, is_folder

__all__ = ["PrepareConfig", "check", "prepare", "prepared_before", "with_absolute_paths"]

logger = logging.getLogger(__name__)


def prepare(config: PrepareConfig) -> Manifest:
    """Prepare the corpora of `config` on the Ray cluster that is connected, and return the manifest.

    Raises `InputError` where the config or a corpus cannot be used.
    """
    config = with_absolute_paths(config)
    check(config)
    versions = _versions(config)
    identity = _fingerprint(config, versions)
    finished = open_output(config.output, fingerprint=identity)
    if finished is not None:
        logger.info("%s is already prepared", config.output)
        return finished
    pairs, work, content = _run(config)
    samples = sum(counts["samples"] for counts in pairs.values())
    manifest = Manifest(
        samples=samples,
        rejects=sum(counts["rows"] for counts in pairs.values()) - samples,
        pairs=pairs,
        work=work,
        config=dataclasses.asdict(config),
        versions=versions,
        fingerprint=identity,
        content=content,
    )
    finish_output(config.output, manifest)
    return manifest


def prepared_before(config: PrepareConfig) -> Manifest | None:
    """Return the manifest where `output` holds what `config` would make; None where it holds no prepared data.

    Needs no cluster. Raises `InputError` where `output` holds other prepared data.
    """
    config = with_absolute_paths(config)
    if not storage.exists(storage.join(config.output, MANIFEST)):
        return None
    return open_output(config.output, fingerprint=_fingerprint(config, _versions(config)))


def _run(config: PrepareConfig) -> tuple[dict[str, PairCounts], dict[str, int], str]:
    """Execute the pipeline.

    Returns:
        the counts of each language pair, the rows that each stage has worked on, and a hash of the samples.
    """
    tally = Tally()
    sink = PreparedDataSink(config.output)
    rows = build_pipeline(config, tally=tally)
    with _quiet_console(), tally.logged():
        try:
            rows.write_datasink(sink, ray_remote_args={"num_cpus": TASK_CPUS})
        except Exception as error:
            cause = input_error_within(error)
            if cause is None:
                raise
            raise cause from None
    counts = tally.read()
    for pair, beyond_cap in counts.beyond_cap.items():
        sink.counts.setdefault(pair, no_rows())["beyond_cap"] = beyond_cap
    return sink.counts, counts.work, sink.content


def check(config: PrepareConfig) -> None:
    """Raise `InputError` where `config` names what is not there, as far as that is known without reading it all."""
    config.cleaning.check()
    limits = {
        "max_answer_words": config.max_answer_words,
        "rows_per_file": config.rows_per_file,
        "entities.max_tokens": config.entities.max_tokens,
        "entities.batch_size": config.entities.batch_size,
        "aligner.batch_size": config.aligner.batch_size,
    }
    for name, value in limits.items():
        if value < 1:
            raise InputError(f"{name} is {value}; give 1 or more")
    if not config.corpora:
        raise InputError("corpora is empty; give one parallel corpus at least")
    for corpus in config.corpora:
        check_corpus(corpus)
        if (corpus.alignment_path is None) == (config.aligner.kind == "pharaoh"):
            raise InputError(
                f"corpora: {corpus.path}: alignment_path belongs to aligner.kind pharaoh, and aligner.kind is "
                f"{config.aligner.kind}; give both or neither"
            )
    pipeline = find_pipeline(config.entities)
    for corpus in config.corpora:
        if corpus.source_lang.split("-")[0] != pipeline["lang"]:
            raise InputError(
                f"corpora: {corpus.path}: source_lang is {corpus.source_lang}, but the spaCy pipeline "
                f"{pipeline['name']} is for {pipeline['lang']}; give another entities.pipeline"
            )
    if config.aligner.kind == "eflomal":
        find_program()
    elif config.aligner.kind == "embedding":
        from clism_core.data.alignment.embedding import check_encoder

        check_encoder(config.aligner)


def with_absolute_paths(config: PrepareConfig) -> PrepareConfig:
    """Return `config` as Ray's workers can use it, whose working folder is another one."""
    corpora = [
        dataclasses.replace(
            corpus,
            path=storage.absolute(corpus.path),
            target_path=corpus.target_path and storage.absolute(corpus.target_path),
            alignment_path=corpus.alignment_path and storage.absolute(corpus.alignment_path),
        )
        for corpus in config.corpora
    ]
    return dataclasses.replace(
        config,
        output=storage.absolute(config.output),
        corpora=corpora,
        aligner=dataclasses.replace(config.aligner, model=absolute_if_folder(config.aligner.model)),
        entities=dataclasses.replace(
            config.entities, pipeline=config.entities.pipeline and absolute_if_folder(config.entities.pipeline)
        ),
    )


def _versions(config: PrepareConfig) -> dict[str, str]:
    pipeline = find_pipeline(config.entities)
    aligner = {"eflomal": ["eflomal"], "embedding": ["torch", "transformers"], "pharaoh": []}[config.aligner.kind]
    return package_versions("clism", "spacy", "regex", *aligner) | {pipeline["name"]: pipeline["version"]}


def _fingerprint(config: PrepareConfig, versions: dict[str, str]) -> str:
    settings = dataclasses.asdict(config)
    del settings["output"]
    for corpus in settings["corpora"]:
        for name in ("path", "target_path", "alignment_path"):
            del corpus[name]
    for part, name in (("aligner", "model"), ("entities", "pipeline")):
        given = settings[part][name]
        if given is not None and is_folder(given):
            settings[part][name] = folder_digest(given)
    inputs = [path for corpus in config.corpora for path in input_paths(corpus)]
    return fingerprint(inputs=inputs, config=settings, versions=versions)


@contextmanager
def _quiet_console() -> Iterator[None]:
    """Leave Ray Data's messages to its log file: it prints a traceback three times over, and then raises it."""
    consoles = [handler for handler in logging.getLogger("ray.data").handlers if handler.name == "console"]
    levels = [handler.level for handler in consoles]
    for handler in consoles:
        handler.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for handler, level in zip(consoles, levels, strict=True):
            handler.setLevel(level)
