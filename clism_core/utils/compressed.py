"""Streams of the content of compressed files."""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Literal, TypeAlias, cast

import pyarrow as pa

from clism_core.utils import storage

Compression: TypeAlias = Literal["gzip", "bzip2", "zstd"]

EXTENSIONS: Mapping[Compression, str] = {"gzip": ".gz", "bzip2": ".bz2", "zstd": ".zst"}

_REMOTE_BUFFER = 8 << 20  # bytes per request to an object store


def compression_of_name(path: str) -> Compression | None:
    """Return the compression that the extension of a file name indicates; None if there is none."""
    return next((kind for kind, extension in EXTENSIONS.items() if path.endswith(extension)), None)


@contextmanager
def open_decompressed(path: str, compression: Compression | None) -> Iterator[IO[bytes]]:
    """Open a file, local or s3://, as a stream of its decompressed bytes; None reads it as it is.

    Compressed streams may be concatenated, as by parallel compressors, and a gzip stream padded with zeros.

    Raises:
        OSError: if the file cannot be opened, also from reading the stream if it is truncated or damaged.
    """
    store, inner = storage.filesystem(path)
    buffer = None if storage.is_local(path) else _REMOTE_BUFFER
    try:
        with store.open_input_stream(inner, compression=None, buffer_size=buffer) as raw:
            match compression:
                case "gzip":  # pyarrow refuses the padding
                    stream: IO[bytes] = cast(IO[bytes], gzip.GzipFile(fileobj=raw))
                case "bzip2" | "zstd":
                    stream = pa.CompressedInputStream(raw, {"bzip2": "bz2"}.get(compression, compression))
                case None:
                    stream = raw
            with stream:
                yield stream
    except (EOFError, zlib.error, pa.ArrowException) as error:
        raise OSError(f"damaged or incomplete: {error}") from error
