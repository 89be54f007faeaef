"""Text files of labelled data, read as a whole: the largest of them have some tens of megabytes."""

import codecs

import pyarrow as pa

from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.text import printable


def read_text(path: str, *, encoding: str = "utf-8") -> str:
    """Return the text of the file at `path`, local or s3://, without a byte order mark.

    A file whose name ends in .gz, .bz2 or .zst is decompressed. Raises `InputError` where it cannot be read or is not
    in `encoding`, or Python knows no such encoding.

    A file in UTF-8 is refused in another encoding, for latin-1 reads any file, and "Coruña" would become "CoruÃ±a".
    Text in another encoding is hardly ever UTF-8 by chance: all letters beyond ASCII would have to stand in certain
    pairs.
    """
    codec = _codec(encoding)
    try:
        store, inner = storage.filesystem(path)
        with store.open_input_stream(inner, compression="detect") as stream:
            content = bytes(stream.read())
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not codec.name.startswith("utf"):
        _check_not_utf8(path, content, encoding)
    try:
        text, _ = codec.decode(content)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: the byte {content[error.start]:#04x} is not in the encoding {encoding}; give the "
            "file's own, such as encoding: latin-1, which the files of CoNLL are often in, or convert it to UTF-8"
        ) from error
    return text.removeprefix("\ufeff")


def _check_not_utf8(path: str, content: bytes, encoding: str) -> None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.split("\n"), start=1):
        word = next((word for word in line.split() if not word.isascii()), None)
        if word is not None:
            misread = word.encode().decode(encoding, "replace")
            raise InputError(
                f"{path}, line {number}: the file is in UTF-8, which encoding: {encoding} would read wrongly, as "
                f"{printable(misread)!r} for {printable(word)!r}; leave encoding out, or give utf-8"
            )


def _codec(encoding: str) -> codecs.CodecInfo:
    try:
        return codecs.lookup(encoding)
    except LookupError as error:
        raise InputError(f"encoding is {encoding!r}, which is not known; give one such as utf-8 or latin-1") from error
