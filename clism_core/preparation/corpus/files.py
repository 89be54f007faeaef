"""The files of a corpus: which they are, and whether they begin as files of their format do."""

import dataclasses

import pyarrow as pa

from clism_core.preparation.corpus.config import CorpusConfig
from clism_core.preparation.corpus.lines import open_stream
from clism_core.utils import storage
from clism_core.utils.errors import InputError

_BEGINNINGS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh91AY&SY": "bzip2",
    b"PAR1\x15": "Parquet",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""How a file begins that is something else than text in UTF-8."""
_ENDINGS = {"gzip": ".gz", "zstd": ".zst"}


def input_paths(config: CorpusConfig) -> list[str]:
    """Return the files of the corpus: folders and globs have become what is in them, in the order of the names.

    A data set of the hub has none. Raises `InputError` where there are none, or a format takes one file only.
    """
    others = [path for path in (config.target_path, config.alignment_path) if path is not None]
    return corpus_files(config) + others


def corpus_files(config: CorpusConfig) -> list[str]:
    """Return the files of `config.path` alone; raises as `input_paths` does."""
    if config.format == "hub":
        return []
    try:
        files = storage.expand(config.path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"corpora: {config.path} cannot be listed: {error}") from error
    if not files:
        raise InputError(f"corpora: {config.path} has no files; hidden ones, and those that begin with _, do not count")
    if files == [config.path]:
        return files
    # Two sorted lists of names need not belong together, and line i of the one would meet line i of a stranger.
    if config.format == "moses":
        raise InputError(
            f"corpora: {config.path} is a folder or a glob, but format is moses, whose two files belong together; give "
            "one entry of corpora for each pair of files"
        )
    if config.alignment_path is not None and len(files) > 1:
        raise InputError(
            f"corpora: {config.path} has {len(files)} files, but one file of alignments belongs to one file; give one "
            "entry of corpora for each"
        )
    return files


def with_absolute_paths(config: CorpusConfig) -> CorpusConfig:
    """Return `config` such that it means the same in a process with another working folder; a hub's name stays."""
    is_name = config.format == "hub" and not storage.exists(config.path)
    return dataclasses.replace(
        config,
        path=config.path if is_name else storage.absolute(config.path),
        target_path=config.target_path and storage.absolute(config.target_path),
        alignment_path=config.alignment_path and storage.absolute(config.alignment_path),
    )


def check_beginning(path: str, file_format: str) -> None:
    """Raise `InputError` where a file is not there, or its first bytes are those of another format than its name's."""
    with open_stream(path, decompress=False) as stream:
        beginning = stream.read(16)
    found = next((kind for magic, kind in _BEGINNINGS.items() if beginning.startswith(magic)), None)
    said = next((kind for kind, ending in _ENDINGS.items() if path.endswith(ending)), None)
    if file_format == "parquet":
        if not beginning.startswith(b"PAR1"):
            raise InputError(f"corpora: {path} is no Parquet file; give its own format")
    elif found in _ENDINGS and found != said:
        raise InputError(f"corpora: {path} is {found}, which its name must say by ending in {_ENDINGS[str(found)]}")
    elif said is not None and beginning and found != said:
        raise InputError(f"corpora: {path} is not {said}, as its name says; rename it without {_ENDINGS[said]}")
    elif found == "UTF-16" and file_format != "tmx":  # XML says its own encoding
        raise InputError(f"corpora: {path} is in UTF-16; convert it to UTF-8")
    elif found == "Parquet":
        raise InputError(f"corpora: {path} is a Parquet file; give format: parquet")
    elif found is not None and found not in _ENDINGS and found != "UTF-16":
        raise InputError(f"corpora: {path} is {found}, which is not read; unpack it, or pack it with gzip or zstd")
