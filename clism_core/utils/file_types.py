"""Detection of files of another type than their name or format says, by their first bytes."""

import re
import tarfile
from collections.abc import Mapping
from typing import TypeVar

from clism_core.utils.compressed import EXTENSIONS, Compression, compression_of_name, open_decompressed
from clism_core.utils.errors import InputError

_COMPRESSED: Mapping[Compression, re.Pattern[bytes]] = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
    # Also skippable frames, with which the output of pzstd begins, and formats before zstd 0.8.
    "zstd": re.compile(rb"[\x22-\x28]\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}
_ARCHIVES = {
    "zip": re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)"),
    "7z": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "rar": re.compile(rb"Rar!\x1a\x07"),
    "cpio": re.compile(rb"07070[127][0-7]{6}"),
}
_UNSUPPORTED_COMPRESSIONS = {
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "lzma": re.compile(rb"\x5d\x00\x00[\x00-\xff]{2}(?:\xff{8}|[\x00-\xff]{5}\x00{3})"),
    "lz4": re.compile(rb"[\x02-\x04]\x22\x4d\x18"),
    "lzip": re.compile(rb"LZIP\x01"),
    "lzop": re.compile(rb"\x89LZO\x00"),
    "compress": re.compile(rb"\x1f\x9d"),
    "snappy": re.compile(rb"\xff\x06\x00\x00sNaPpY"),
}
_DATA = {
    "Parquet": re.compile(rb"PAR[1E]"),
    "Arrow": re.compile(rb"ARROW1|\xff{4}[\x00-\xff]{3}\x00\x10\x00"),
    "Avro": re.compile(rb"Obj\x01"),
    "ORC": re.compile(rb"ORC[\x00-\x1f]"),
    "SQLite": re.compile(rb"SQLite format 3\x00"),
    "PDF": re.compile(rb"%PDF-"),
    "RTF": re.compile(rb"\{\\rtf"),
    "Microsoft Office": re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    "HDF5": re.compile(rb"\x89HDF\r\n"),
    "NumPy": re.compile(rb"\x93NUMPY"),
    "pickle": re.compile(rb"\x80[\x02-\x05][\x28-\x95]"),
}
_MARKUP = {
    "HTML": re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!DOCTYPE\s+html|<html[^>]*>\s*<head)", flags=re.IGNORECASE),
    "XML": re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\s"),
}
_GIT_LFS = b"version https://git-lfs.github.com/spec/"
_Kind = TypeVar("_Kind", bound=str)
_HEAD = 1024  # bytes: enough for the header of a tar archive


def check_file_type(path: str, file_type: str, *, where: str, remedies: Mapping[str, str]) -> None:
    """Raise `InputError` if a file does not exist, or its first bytes do not match its extension or `file_type`.

    Compressed content is checked like that of plain files.

    Args:
        path: file, local or s3://.
        file_type: text, XML or Parquet.
        where: beginning of the message.
        remedies: what to do about a file of another type, by the type, such as Parquet.
    """
    content = _head(path, None, where)
    check_not_pointer(content, where=where)
    if file_type == "Parquet":
        if not _DATA["Parquet"].match(content):
            raise InputError(f"{where} is not a Parquet file; give its actual format")
        return
    compression = _find(content, _COMPRESSED)
    packed = ""
    if compression is not None:
        content, packed = _head(path, compression, where), f" compressed with {compression}"
    _check_content(content, f"{where} is", packed, file_type, remedies)
    expected = compression_of_name(path)
    if compression not in (expected, None):
        raise InputError(f"{where} is{packed}; rename it so that it ends in {EXTENSIONS[compression]}")
    if expected is not None and compression is None and content:
        raise InputError(f"{where} is not a {expected} file; rename it without {EXTENSIONS[expected]}")


def check_not_pointer(content: bytes, *, where: str) -> None:
    """Raise `InputError` if the beginning of a file is that of a Git LFS pointer."""
    if content.startswith(_GIT_LFS):
        raise InputError(
            f"{where} is a Git LFS pointer, not the file itself; run git lfs pull in the repository that it comes "
            "from, or download the file"
        )


def _head(path: str, compression: Compression | None, where: str) -> bytes:
    try:
        with open_decompressed(path, compression) as stream:
            return stream.read(_HEAD)
    except (OSError, UnicodeError) as error:
        raise InputError(f"{where} cannot be read: {error}") from error


def _find(content: bytes, patterns: Mapping[_Kind, re.Pattern[bytes]]) -> _Kind | None:
    return next((kind for kind, pattern in patterns.items() if pattern.match(content)), None)


def _check_content(content: bytes, subject: str, packed: str, file_type: str, remedies: Mapping[str, str]) -> None:
    """Raise `InputError` if decompressed `content` is not text."""
    if packed and (again := _find(content, _COMPRESSED)) is not None:
        raise InputError(f"{subject}{packed}, and its content with {again}; decompress it once")
    if (archive := "tar" if _is_tar(content) else _find(content, _ARCHIVES)) is not None:
        raise InputError(
            f"{subject} a {archive} archive{packed}, which is not supported; unpack it, and give the file that is in it"
        )
    if (compression := _find(content, _UNSUPPORTED_COMPRESSIONS)) is not None:
        raise InputError(
            f"{subject} compressed with {compression}{packed and ' and'}{packed}; decompress it, or compress it with "
            "gzip or zstd"
        )
    if (data := _find(content, _DATA)) is not None:
        remedy = "convert it to text" if packed else remedies.get(data, "convert it to text")
        raise InputError(f"{subject} in the format {data}{packed and ' and'}{packed}, not text; {remedy}")
    if file_type == "text" and (markup := _find(content, _MARKUP)) is not None:
        remedy = remedies.get(markup, "it may be an error page; download the file again")
        raise InputError(f"{subject} {markup}{packed}, not plain text; {remedy}")


def _is_tar(content: bytes) -> bool:
    """Return whether `content` begins with the header of a tar archive, whose checksum no text has by chance."""
    try:
        tarfile.TarInfo.frombuf(content[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
