"""Files of a corpus, and detection of wrong file types by their first bytes."""

import dataclasses

import pyarrow as pa

from clism_core.preparation.corpus.config import CorpusConfig
from clism_core.preparation.corpus.formats import format_of
from clism_core.preparation.corpus.lines import open_stream
from clism_core.utils import storage
from clism_core.utils.errors import InputError

_MAGIC_BYTES = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh91AY&SY": "bzip2",
    b"PAR1\x15": "Parquet",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""First bytes of files that are not UTF-8 text."""
_EXTENSIONS = {"gzip": ".gz", "zstd": ".zst"}


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


def with_absolute_paths(config: CorpusConfig) -> CorpusConfig:
    """Return `config` with absolute paths, which do not depend on the working directory; names on the hub are kept."""
    is_name = not format_of(config).has_files and not storage.exists(config.path)
    return dataclasses.replace(
        config,
        path=config.path if is_name else storage.absolute(config.path),
        target_path=config.target_path and storage.absolute(config.target_path),
        alignment_path=config.alignment_path and storage.absolute(config.alignment_path),
    )


def check_file_type(path: str, file_type: str) -> None:
    """Raise `InputError` if a file does not exist, or its first bytes do not match its extension or `file_type`."""
    with open_stream(path, decompress=False) as stream:
        head = stream.read(16)
    actual = next((kind for magic, kind in _MAGIC_BYTES.items() if head.startswith(magic)), None)
    expected = next((kind for kind, extension in _EXTENSIONS.items() if path.endswith(extension)), None)
    if file_type == "Parquet":
        if not head.startswith(b"PAR1"):
            raise InputError(f"corpora: {path} is not a Parquet file; give its actual format")
    elif actual in _EXTENSIONS and actual != expected:
        raise InputError(
            f"corpora: {path} is compressed with {actual}; rename it so that it ends in {_EXTENSIONS[str(actual)]}"
        )
    elif expected is not None and head and actual != expected:
        raise InputError(f"corpora: {path} is not a {expected} file; rename it without {_EXTENSIONS[expected]}")
    elif actual == "UTF-16" and file_type != "XML":  # which declares its encoding
        raise InputError(f"corpora: {path} is encoded in UTF-16; convert it to UTF-8")
    elif actual == "Parquet":
        raise InputError(f"corpora: {path} is a Parquet file; give format: parquet")
    elif actual is not None and actual not in _EXTENSIONS and actual != "UTF-16":
        raise InputError(
            f"corpora: {path} is a {actual} file, which is not supported; unpack it, or compress it with gzip or zstd"
        )
