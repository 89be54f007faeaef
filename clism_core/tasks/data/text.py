"""Text files of labelled data, read as a whole: the largest of them have some tens of megabytes."""

import codecs

import pyarrow as pa

from clism_core import storage
from clism_core.errors import InputError


def read_text(path: str, *, encoding: str = "utf-8") -> str:
    """Return the text of the file at `path`, local or s3://, without a byte order mark.

    A file whose name ends in .gz, .bz2 or .zst is decompressed. Raises `InputError` where it cannot be read or is not
    in `encoding`, or Python knows no such encoding.
    """
    codec = _codec(encoding)
    try:
        store, inner = storage.filesystem(path)
        with store.open_input_stream(inner, compression="detect") as stream:
            content = bytes(stream.read())
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    try:
        text, _ = codec.decode(content)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: the byte {content[error.start]:#04x} is not in the encoding {encoding}; give the "
            "file's own, such as encoding: latin-1, which the files of CoNLL are often in, or convert it to UTF-8"
        ) from error
    return text.removeprefix("\ufeff")


def _codec(encoding: str) -> codecs.CodecInfo:
    try:
        return codecs.lookup(encoding)
    except LookupError as error:
        raise InputError(f"encoding is {encoding!r}, which is not known; give one such as utf-8 or latin-1") from error
