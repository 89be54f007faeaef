"""Digests of texts, files and folders, which depend on the content only, not on process or machine.

The policy:

- Models, folders and labelled data are digested by content (`tree_digest`, `folder_digest`, `named_files_digest`),
  whatever their size: they are downloaded and copied to new files with new times, and a run must be resumable with a
  copy.
- Corpora are of any size, and are digested at each start and resume (`file_digests`). The smallest files, up to
  `CONTENT_LIMIT` bytes altogether, are digested by content: a submitted job gets its files as copies with new times.
  Larger files are identified by size and ETag (object stores) or modification time, without reading them.
- Folders of an object store that are only cached are identified by the names, sizes and times of their files
  (`folder_state`).
- Folders of several nodes are compared by names, sizes and small descriptions (`description_digest`): all nodes read
  them at once, and the times of copies differ.

Many of these digests are stored in outputs and decide whether a run is resumed: keep the algorithms.
"""

import hashlib
import json
import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from pyarrow import fs

from clism_core.utils import storage

CONTENT_LIMIT = 4 << 30
"""Maximum number of bytes of corpora read for digests: seconds from a disk, half a minute from an object store."""

_DESCRIPTIONS, _MAX_DESCRIPTION = (".json", ".yaml"), 1 << 20  # suffixes, bytes
_READERS, _CHUNK = 16, 1 << 23  # number of files read concurrently, and bytes per read


class FileDigest(NamedTuple):
    """Digest of a file."""

    value: str
    kind: Literal["content", "size and ETag", "size and time"]


def text_hash(text: str) -> int:
    """Return an unsigned 64-bit hash of `text`."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def text_digest(text: str) -> str:
    """Return the 128-bit BLAKE2b digest of `text`, in hex."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def content_digest(path: str, *, algorithm: str = "sha256") -> str:
    """Return the digest, in hex, of all bytes of the file at `path`."""
    store, inner = storage.filesystem(path)
    digest = hashlib.new(algorithm)
    with store.open_input_stream(inner, compression=None) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def file_digests(paths: Sequence[str]) -> list[FileDigest]:
    """Return a digest of each file, reading at most `CONTENT_LIMIT` bytes.

    Raises:
        FileNotFoundError: if a file is missing.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        infos = list(readers.map(_file_info, paths))
        bytes_left, small = CONTENT_LIMIT, set[int]()
        for index in sorted(range(len(paths)), key=lambda index: infos[index].size):
            bytes_left -= infos[index].size
            if bytes_left < 0:
                break
            small.add(index)
        return list(
            readers.map(
                lambda index: (
                    FileDigest(content_digest(paths[index]), "content")
                    if index in small
                    else _file_state(paths[index], infos[index])
                ),
                range(len(paths)),
            )
        )


def count_kinds(digests: Iterable[FileDigest]) -> dict[str, int]:
    """Return the number of files of each kind of digest."""
    return dict(Counter(digest.kind for digest in digests))


def folder_digest(folder: str) -> str:
    """Return the SHA-256, in hex, of the relative names and contents of all files in a folder."""
    folder = storage.absolute(folder)
    files = storage.list_files(folder)
    with ThreadPoolExecutor(_READERS) as readers:
        contents = readers.map(content_digest, files)
        digests = {file.removeprefix(folder): digest for file, digest in zip(files, contents, strict=True)}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def named_files_digest(files: Iterable[str]) -> str:
    """Return the digest, in hex, of the base names and contents of files, in the given order."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(f"{posixpath.basename(file)} {content_digest(file, algorithm='blake2b')}\n".encode())
    return digest.hexdigest()


def tree_digest(folder: str, *, pattern: str = "*") -> str:
    """Return the digest, in hex, of the relative names and contents of the files in a local folder, recursively.

    Args:
        folder: the folder.
        pattern: glob of the names of the files.
    """
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(path for path in Path(folder).rglob(pattern) if path.is_file()):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(bytes.fromhex(content_digest(str(file), algorithm="blake2b")))
    return digest.hexdigest()


def folder_state(folder: str) -> str:
    """Return a digest of the names, sizes and times of all files in `folder`, recursively, without reading them.

    Raises:
        FileNotFoundError: if the folder is missing.
    """
    store, inner = storage.filesystem(folder)
    infos = store.get_file_info(fs.FileSelector(inner, recursive=True))
    return text_digest(repr(sorted((info.path, info.size, info.mtime_ns) for info in infos if info.is_file)))


def description_digest(folder: str) -> str:
    """Return a digest of the names and sizes of all files in a folder, and of the content of the small descriptions at
    its top, such as `manifest.json` and `config.json`; other files are not read.

    Raises:
        OSError: if it cannot be read.
    """
    files = {
        name: size
        for name, size in storage.file_sizes(folder).items()
        if not any(part.startswith(".") for part in name.split("/"))
    }
    digest = hashlib.sha256(repr(sorted(files.items())).encode())
    for name, size in sorted(files.items()):
        if "/" not in name and posixpath.splitext(name)[1] in _DESCRIPTIONS and size <= _MAX_DESCRIPTION:
            digest.update(storage.read_bytes(storage.join(folder, name)))
    return digest.hexdigest()


def _file_info(path: str) -> fs.FileInfo:
    store, inner = storage.filesystem(path)
    info = store.get_file_info(inner)
    if not info.is_file:
        raise FileNotFoundError(path)
    return info


def _file_state(path: str, info: fs.FileInfo) -> FileDigest:
    store, inner = storage.filesystem(path)
    with store.open_input_file(inner) as file:  # only requests the metadata of an object
        etag = file.metadata().get("ETag", b"").decode()
    if etag:
        return FileDigest(f"{info.size} {etag}", "size and ETag")
    return FileDigest(f"{info.size} {info.mtime_ns}", "size and time")
