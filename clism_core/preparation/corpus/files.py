"""Files of a corpus."""

import dataclasses
import posixpath

import pyarrow as pa

from clism_core.preparation.corpus.config import CorpusConfig
from clism_core.preparation.corpus.formats import format_of
from clism_core.utils import storage
from clism_core.utils.errors import InputError


def input_paths(config: CorpusConfig) -> list[str]:
    """Return the files of the corpus, with folders and globs expanded, in the order of their names.

    A data set of the hub has none. Raises `InputError` if no file is found, or if the format takes a single file only.
    """
    others = [path for path in (config.target_path, config.alignment_path) if path is not None]
    return corpus_files(config) + others


def corpus_files(config: CorpusConfig) -> list[str]:
    """Return the files of `config.path` alone; raises as `input_paths` does."""
    if not format_of(config).has_files:
        return []
    try:
        files = storage.expand(config.path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"corpora: {config.path} cannot be listed: {error}") from error
    if not files:
        raise InputError(f"corpora: {config.path}: no files found; names that begin with . or _ are ignored")
    if files == [config.path]:
        return files
    # Two sorted lists of file names need not correspond, so that unrelated sentences could be paired.
    if format_of(config).is_pair_of_files:
        raise InputError(
            f"corpora: {config.path} is a folder or a glob, but format {config.format} takes one pair of files; add "
            "one entry to corpora for each pair of files"
        )
    if config.alignment_path is not None and len(files) > 1:
        raise InputError(
            f"corpora: {config.path} has {len(files)} files, but alignment_path belongs to a single file; add one "
            "entry to corpora for each file"
        )
    return files


def skipped_files(config: CorpusConfig) -> list[str]:
    """Return the files of a folder that are not read because of their names, although their extensions are the same."""
    files = corpus_files(config)
    if files in ([], [config.path]):
        return []
    extensions = {posixpath.splitext(file)[1] for file in files}
    others = sorted(set(storage.list_files(config.path)) - set(files))
    return [file for file in others if posixpath.splitext(file)[1] in extensions]


def with_absolute_paths(config: CorpusConfig) -> CorpusConfig:
    """Return `config` with absolute paths, which do not depend on the working directory; names on the hub are kept."""
    is_name = not format_of(config).has_files and not storage.exists(config.path)
    return dataclasses.replace(
        config,
        path=config.path if is_name else storage.absolute(config.path),
        target_path=config.target_path and storage.absolute(config.target_path),
        alignment_path=config.alignment_path and storage.absolute(config.alignment_path),
    )
