"""Text files of labelled data, read whole: the largest are some tens of megabytes."""

import re

from clism_core.utils.compressed import compression_of_name, open_decompressed
from clism_core.utils.encodings import check_encoding, check_encoding_name
from clism_core.utils.errors import InputError
from clism_core.utils.file_types import check_file_type

_REMEDIES = {"Parquet": "give its folder as a data set, {name: FOLDER, split: train}"}
_CARRIAGE_RETURNS = re.compile(r"\r+\n")
"""End of a line with carriage returns; several of them if the file was converted twice."""


def read_text(path: str, *, encoding: str = "utf-8") -> str:
    """Return the text of the file at `path`, local or s3://, without a byte order mark.

    A file whose name ends in .gz, .bz2 or .zst is decompressed.

    Raises:
        InputError: if the file cannot be read, is not text or not in `encoding`, or Python does not know the encoding.
    """
    check_encoding_name(encoding, title=path)
    check_file_type(path, "text", where=path, remedies=_REMEDIES)
    try:
        with open_decompressed(path, compression_of_name(path)) as stream:
            content = stream.read()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    check_encoding(content, encoding=encoding, languages=(), where=path)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte {content[error.start]:#04x} is invalid in encoding {encoding}; set the "
            "encoding of the file, such as encoding: latin-1 (common for CoNLL files), or convert the file to UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}, line {line}: a NUL character, which no text has; download the file again")
    return text.removeprefix("\ufeff")


def split_lines(path: str, text: str) -> list[str]:
    """Return the lines of the text of a file, which end in "\\n", in "\\r\\n" or, in all of the file, in "\\r" alone.

    Raises:
        InputError: if a carriage return is within a line.
    """
    text = _CARRIAGE_RETURNS.sub("\n", text)
    if "\n" not in text:
        text = text.replace("\r", "\n")  # a file of the classic Mac OS
    text = text.rstrip("\r")
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        raise InputError(
            f"{path}, line {line}: a carriage return within the line; convert the line ends of the file to line feeds"
        )
    return text.split("\n")
