"""Corpora of a few lines, for the tests of their readers."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa

from clism_core.preparation.corpus import CorpusConfig


def corpus(path: Path | str, **fields: Any) -> CorpusConfig:
    """Return a corpus of English and German at `path`."""
    return CorpusConfig(path=str(path), source_lang="en", target_lang="de", **fields)


def write(path: Path, content: bytes) -> Path:
    """Write a file, compressed as its name says, and the folders above it; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(compress(content, path.suffix))
    return path


def compress(content: bytes, suffix: str) -> bytes:
    """Return `content` packed as files are that end in `suffix`."""
    if suffix == ".gz":
        return gzip.compress(content)
    if suffix != ".zst":
        return content
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    return bytes(packed.getvalue().to_pybytes())
