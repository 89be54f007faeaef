"""Local paths and object stores behind one set of functions, all of them `pyarrow.fs`.

A path is a local path (`data/x`, `~/x`, `file:///x`) or a URI that pyarrow knows (`s3://bucket/x`). Credentials,
region and the endpoint of an S3-compatible store (`AWS_ENDPOINT_URL`) come from the environment. What follows the
bucket is the object's key as it stands (`s3://bucket/a b#1%.tsv`), nothing of it percent-encoded.
"""

import fnmatch
import hashlib
import os
import posixpath
import re
import uuid
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
from pyarrow import fs

from clism_core.utils.errors import InputError

_BUCKET = 2  # where the bucket stands in `s3://bucket/x` cut at "/"
_KEY = re.compile(r"(s3://[^/]*)(.*?)(\?(?:allow_\w+|endpoint_override|region|scheme|tls_\w+)=.*)?", re.DOTALL)
"""Cuts an S3 URI into its bucket, the key, and the options of pyarrow that may follow as a query."""


def is_local(path: str) -> bool:
    """Tell whether `path` lies in a file system of this machine."""
    return "://" not in path or path.startswith("file://")


def filesystem(path: str) -> tuple[fs.FileSystem, str]:
    """Return the file system that holds `path` and the path within it (absolute where it is local).

    Raises `InputError` where the URI cannot be read or no file system has its scheme.
    """
    if "://" not in path:
        return fs.LocalFileSystem(), str(Path(path).expanduser().absolute())
    try:
        store, inner = fs.FileSystem.from_uri(_encoded(path))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: {error}; give a local path or an s3:// URI of a bucket that exists") from error
    return store, inner


def _encoded(uri: str) -> str:
    """Return the URI that pyarrow reads as `uri` is meant: S3 lists keys, and a key may hold any character."""
    parts = _KEY.fullmatch(uri)
    return uri if parts is None else f"{parts[1]}{quote(parts[2])}{parts[3] or ''}"


def absolute(path: str) -> str:
    """Return `path` such that it means the same in a process with another working folder."""
    return filesystem(path)[1] if is_local(path) else path.rstrip("/")


def join(path: str, *parts: str) -> str:
    """Return `path` with `parts` below it."""
    return posixpath.join(path, *parts)


def exists(path: str) -> bool:
    """Tell whether a file or folder is at `path`."""
    store, inner = filesystem(path)
    return bool(store.get_file_info(inner).type != fs.FileType.NotFound)


def read_bytes(path: str) -> bytes:
    """Return what the file at `path` holds; raises `FileNotFoundError`."""
    store, inner = filesystem(path)
    with store.open_input_stream(inner, compression=None) as stream:
        return bytes(stream.read())


def write_bytes(path: str, content: bytes) -> None:
    """Make the file at `path`, and the folders above it, or replace it: as a whole, or not at all."""
    store, inner = filesystem(path)
    folder, name = posixpath.split(inner)
    _make_folder(store, folder)
    if not isinstance(store, fs.LocalFileSystem):  # an object store shows an object when it is complete
        with store.open_output_stream(inner, compression=None) as stream:
            stream.write(content)
        return
    unfinished = Path(folder, f".{name}.{uuid.uuid4().hex}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # or a power cut may leave the name without the content
    unfinished.replace(inner)


def list_files(path: str) -> list[str]:
    """Return the paths of all files under the folder `path`, sorted; none where there is no such folder."""
    store, inner = filesystem(path)
    infos = store.get_file_info(fs.FileSelector(inner, recursive=True, allow_not_found=True))
    files = sorted(info.path for info in infos if info.type == fs.FileType.File)
    if is_local(path):
        return files
    return [join(path, posixpath.relpath(file, inner)) for file in files]


def expand(path: str) -> list[str]:
    """Return the paths of the files that `path` stands for, sorted.

    A folder stands for all files in it and below it, a glob (`*`, `?` and `[...]` in any component) for the files that
    match it; anything else for itself, whether it exists or not. Names that begin with "." or "_" are left out unless
    the glob's own component begins so. Raises `InputError` where a glob is none that can be matched.
    """
    if _is_glob(path):
        _check_glob(path)
        if not exists(path):  # a "[1]" may be part of a file's own name
            return _glob(path)
    store, inner = filesystem(path)
    if store.get_file_info(inner).type != fs.FileType.Directory:
        return [path]
    root = absolute(path)
    below = [posixpath.relpath(file, root) for file in list_files(root)]
    return [join(root, name) for name in below if not any(map(_is_hidden, name.split("/")))]


def _check_glob(pattern: str) -> None:
    if "**" in pattern:
        raise InputError(f"{pattern}: ** is not understood; give the folder itself for all files below it")
    if not is_local(pattern) and any(map(_is_glob, pattern.split("/")[: _BUCKET + 1])):
        raise InputError(f"{pattern}: the name of the bucket cannot be a pattern")


def _glob(pattern: str) -> list[str]:
    parts = pattern.split("/")
    fixed = next(number for number, part in enumerate(parts) if _is_glob(part))
    root = "/".join(parts[:fixed]) or ("/" if pattern.startswith("/") else ".")
    store, inner = filesystem(root)
    found = [inner]
    for number, part in enumerate(parts[fixed:], start=fixed + 1):
        wanted = fs.FileType.File if number == len(parts) else fs.FileType.Directory
        listings = [store.get_file_info(fs.FileSelector(folder, allow_not_found=True)) for folder in found]
        infos = [info for listing in listings for info in listing]
        found = [info.path for info in infos if info.type == wanted and _matches(info.base_name, part)]
    if is_local(pattern):
        return sorted(found)
    return sorted(join(root, posixpath.relpath(path, inner)) for path in found)


def _is_glob(path: str) -> bool:
    return any(character in path for character in "*?[")


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) and (not _is_hidden(name) or _is_hidden(pattern))


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def fingerprint(path: str) -> str:
    """Return a hash of the names, sizes and times of all files under the folder `path`: another one when any changes.

    Raises `FileNotFoundError` where there is no such folder.
    """
    store, inner = filesystem(path)
    infos = store.get_file_info(fs.FileSelector(inner, recursive=True))
    listing = sorted((info.path, info.size, info.mtime_ns) for info in infos if info.type == fs.FileType.File)
    return hashlib.blake2b(repr(listing).encode(), digest_size=16).hexdigest()


def delete(path: str) -> None:
    """Remove the file at `path`, or the folder and all below it; nothing where there is neither."""
    store, inner = filesystem(path)
    kind = store.get_file_info(inner).type
    if kind == fs.FileType.File:
        store.delete_file(inner)
    elif kind == fs.FileType.Directory:
        store.delete_dir(inner)


def upload_folder(local: Path, path: str) -> None:
    """Copy what the folder `local` holds into the folder `path`, which is made."""
    store, inner = filesystem(path)
    _make_folder(store, inner)
    fs.copy_files(str(local), inner, source_filesystem=fs.LocalFileSystem(), destination_filesystem=store)


def download_folder(path: str, local: Path) -> None:
    """Copy what the folder `path` holds into the folder `local`, which is made."""
    store, inner = filesystem(path)
    local.mkdir(parents=True, exist_ok=True)
    fs.copy_files(inner, str(local), source_filesystem=store, destination_filesystem=fs.LocalFileSystem())


def _make_folder(store: fs.FileSystem, inner: str) -> None:
    # Object stores have no folders; making one would need the right to create buckets, or leave empty objects.
    if isinstance(store, fs.LocalFileSystem):
        store.create_dir(inner, recursive=True)
