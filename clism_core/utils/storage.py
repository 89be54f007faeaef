"""One set of functions for local files and object stores, on top of `pyarrow.fs`.

A path is a local path (`data/x`, `~/x`, `file:///x`) or a URI of an object in S3 (`s3://bucket/x`). Credentials,
region and the endpoint of an S3-compatible store (`AWS_ENDPOINT_URL`) come from the environment. The object's key
follows the bucket literally, without percent-encoding (`s3://bucket/a b#1%.tsv`).

Requests to object stores that fail, or that the store rejects as too many, are retried `AWS_MAX_ATTEMPTS` times, by
default for about three minutes.
"""

import fnmatch
import json
import os
import posixpath
import re
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import fs

from clism_core.utils.credentials import check_no_credentials
from clism_core.utils.errors import InputError, UnavailableError

_BUCKET = 2  # index of the bucket in `"s3://bucket/x".split("/")`
MAX_ATTEMPTS = 13
"""Attempts of a request to an object store; the delays, 25 ms doubled each time, add up to about 200 s."""
_KEY = re.compile(r"(s3://[^/]*)(.*?)(\?(?:allow_\w+|endpoint_override|region|scheme|tls_\w+)=.*)?", re.DOTALL)
"""Splits an S3 URI into bucket, key and, optionally, a query with pyarrow's options."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")  # not the drive of `C:/x`
RESTORE = "restore it from a copy, or choose another folder"
"""What to do about a damaged file, if nothing else is known."""
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{32}", re.DOTALL)
"""Matches the names of unfinished files."""


def is_local(path: str) -> bool:
    """Return whether `path` is in the local file system."""
    return _SCHEME.match(path) is None or path.startswith("file://")


def filesystem(path: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of `path` and the path within it (absolute if local).

    Raises `InputError` if the URI is malformed, contains credentials, or has a scheme that is not supported, and
    `UnavailableError` if the store does not answer.
    """
    _check_uri(path)
    if _SCHEME.match(path) is None:
        return fs.LocalFileSystem(), str(Path(path).expanduser().absolute())
    parts = _KEY.fullmatch(path)
    try:
        if parts is None:
            return fs.FileSystem.from_uri(path)  # type: ignore[no-any-return]
        bucket = parts[1].removeprefix("s3://").rpartition("@")[2]
        environment = tuple((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))
        return _s3(f"{parts[1]}{parts[3] or ''}", environment), f"{bucket}{parts[2]}".rstrip("/")
    except (pa.ArrowInvalid, OSError) as error:
        is_wrong = isinstance(error, pa.ArrowInvalid) or "not found" in str(error)
        kind = InputError if is_wrong else UnavailableError
        raise kind(f"{path}: {error}; give a local path or an s3:// URI of a bucket that exists") from error


def _check_uri(path: str) -> None:
    check_no_credentials(path, title="path")
    # pyarrow knows more schemes, but without credentials it waits for minutes before it reports an error.
    scheme = _SCHEME.match(path)
    if scheme is not None and not path.startswith(("s3://", "file://")):
        raise InputError(f"{path}: {scheme[0]} is not supported; give a local path or an s3:// URI")


@lru_cache(maxsize=64)
def _s3(uri: str, _environment: tuple[tuple[str, str], ...]) -> "PatientS3":
    """Return the file system of a bucket, given with pyarrow's options; it depends on the environment."""
    store, _ = fs.FileSystem.from_uri(uri)
    _, (options,) = store.__reduce__()
    return PatientS3(options, _max_attempts())


class PatientS3(fs.S3FileSystem):  # type: ignore[misc]
    """S3 file system that retries for minutes, in other processes, too: pyarrow's own pickle loses its retries.

    Args:
        options: keyword arguments of `S3FileSystem`.
        attempts: maximum number of attempts of a request.
    """

    def __init__(self, options: dict[str, Any], attempts: int):
        # AWS's newer strategy, "standard", takes retries from a quota that pyarrow never refills: a hundred in all.
        super().__init__(**options, retry_strategy=fs.AwsDefaultS3RetryStrategy(max_attempts=attempts))
        self.options = options
        self.attempts = attempts

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the class with its arguments."""
        return PatientS3, (self.options, self.attempts)


def _max_attempts() -> int:
    given = os.environ.get("AWS_MAX_ATTEMPTS") or str(MAX_ATTEMPTS)
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"AWS_MAX_ATTEMPTS {given}: give a number of attempts, at least 1, or unset it")
    return int(given)


def absolute(path: str) -> str:
    """Return `path` in a form that does not depend on the working directory; raises as `filesystem` does."""
    _check_uri(path)
    return filesystem(path)[1] if is_local(path) else path.rstrip("/")


def join(path: str, *parts: str) -> str:
    """Return `path` with `parts` appended."""
    return posixpath.join(path, *parts)


def exists(path: str) -> bool:
    """Return whether there is a file or folder at `path`."""
    store, inner = filesystem(path)
    return bool(store.get_file_info(inner).type != fs.FileType.NotFound)


def read_bytes(path: str) -> bytes:
    """Return the content of the file at `path`; raises `FileNotFoundError`."""
    store, inner = filesystem(path)
    with store.open_input_stream(inner, compression=None) as stream:
        return bytes(stream.read())


def write_bytes(path: str, content: bytes) -> None:
    """Create or replace the file at `path` atomically, with its parent folders."""
    store, inner = filesystem(path)
    if is_local(path):
        with atomic_file(path) as file:
            file.write(content)
        return
    with store.open_output_stream(inner, compression=None) as stream:  # an object appears once it is complete
        stream.write(content)


@contextmanager
def atomic_file(path: str) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears at `path` if the block succeeds; parent folders are created."""
    store, inner = filesystem(path)
    with ExitStack() as stack:
        if is_local(path):
            target = Path(inner)
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}")  # see `delete_unfinished`
        else:
            unfinished = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "unfinished"
        stack.callback(unfinished.unlink, missing_ok=True)
        try:
            with unfinished.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())  # otherwise a power failure may leave the name without the content
        except OSError as error:
            error.filename = error.filename or inner  # a full disk does not say what was written
            raise
        if is_local(path):
            unfinished.replace(inner)
        else:  # in one call: closing a stream to the store after an exception would complete a part of the object
            fs.copy_files(str(unfinished), inner, fs.LocalFileSystem(), store)


def delete_unfinished(files: Iterable[Path]) -> int:
    """Delete those of these files that killed processes were writing by `atomic_file`, and return their number."""
    unfinished = [file for file in files if _UNFINISHED.fullmatch(file.name) and file.is_file()]
    for file in unfinished:
        file.unlink(missing_ok=True)
    return len(unfinished)


def read_json(path: str, *, advice: str = RESTORE) -> dict[str, Any]:
    """Return the object in the JSON file at `path`.

    Raises:
        FileNotFoundError: if it does not exist.
        InputError: if it is damaged, with `advice`.
    """
    return parse_json(read_bytes(path), path, advice=advice)


def parse_json(content: bytes, path: str, *, advice: str = RESTORE) -> dict[str, Any]:
    """Return the object in the content of the JSON file at `path`; raises `InputError` if it is damaged."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"not JSON ({error})" if content else "not JSON (empty)", advice=advice) from error
    if not isinstance(parsed, dict):
        raise damaged(path, f"not a JSON object but a {type(parsed).__name__}", advice=advice)
    return parsed


def damaged(path: str, reason: str, *, advice: str = RESTORE) -> InputError:
    """Return the error for a file of a job's state that cannot be used."""
    return InputError(f"{path}: damaged, {reason}; {advice}")


def write_json(path: str, content: object) -> None:
    """Write `content` to an indented JSON file, atomically."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"))  # JSON has the same escapes for lone surrogates


def list_files(path: str) -> list[str]:
    """Return the sorted paths of all files under the folder `path`; an empty list if it does not exist."""
    root = absolute(path) if is_local(path) else path
    return [join(root, name) for name in file_sizes(path)]


def file_sizes(path: str) -> dict[str, int]:
    """Return the size in bytes of every file under the folder `path`, by sorted path relative to it; an empty
    dictionary if it does not exist."""
    store, inner = filesystem(path)
    infos = store.get_file_info(fs.FileSelector(inner, recursive=True, allow_not_found=True))
    files = sorted((info for info in infos if info.type == fs.FileType.File), key=lambda info: info.path)
    return {posixpath.relpath(info.path, inner): info.size for info in files}


def expand(path: str) -> list[str]:
    """Return the sorted paths of the files that `path` matches.

    A folder matches all files in it, recursively; a glob (`*`, `?` and `[...]` in any component) the files, and those
    in the folders, that it describes; any other path itself, whether it exists or not. Names that begin with "." or "_"
    are skipped unless the glob's own component begins that way. Raises `InputError` for an unsupported glob, and for
    anything that matches but is neither file nor folder, such as a dangling link.
    """
    if _is_glob(path):
        _check_glob(path)
        if not exists(path):  # "[1]" may be part of a file name
            matches = _glob(path).items()
            return sorted(
                file for match, is_folder in matches for file in (_visible_files(match) if is_folder else [match])
            )
    store, inner = filesystem(path)
    if store.get_file_info(inner).type != fs.FileType.Directory:
        return [path]
    return _visible_files(path)


def _visible_files(folder: str) -> list[str]:
    store, inner = filesystem(folder)
    root = absolute(folder)
    infos = _listing(store, inner, recursive=True)
    below = {posixpath.relpath(info.path, inner): info.type for info in infos if info.type != fs.FileType.Directory}
    visible = [name for name in sorted(below) if not any(map(_is_hidden, name.split("/")))]
    for name in visible:
        _check_kind(join(root, name), below[name])
    return [join(root, name) for name in visible]


def _listing(store: fs.FileSystem, folder: str, *, recursive: bool = False) -> list[fs.FileInfo]:
    """Return everything in `folder`, if it exists, with dangling links as `NotFound`; pyarrow leaves those out."""
    infos: list[fs.FileInfo] = store.get_file_info(fs.FileSelector(folder, recursive=recursive, allow_not_found=True))
    if isinstance(store, fs.LocalFileSystem):
        inner = [info.path for info in infos if recursive and info.type == fs.FileType.Directory]
        paths = [path for each in (folder, *inner) if Path(each).is_dir() for path in Path(each).iterdir()]
        infos += [fs.FileInfo(str(path), fs.FileType.NotFound) for path in paths if not path.exists()]
    return infos


def _check_kind(path: str, kind: fs.FileType) -> None:
    if kind not in (fs.FileType.File, fs.FileType.Directory):
        what = "a dangling link" if kind == fs.FileType.NotFound else "neither a file nor a folder"
        raise InputError(f"{path} is {what}; delete it, or give a path or glob that does not match it")


def _check_glob(pattern: str) -> None:
    if "**" in pattern:
        raise InputError(f"{pattern}: ** is not supported; give the folder itself to read all files below it")
    if not is_local(pattern) and any(map(_is_glob, pattern.split("/")[: _BUCKET + 1])):
        raise InputError(f"{pattern}: the bucket name cannot contain wildcards; give the name of one bucket")


def _glob(pattern: str) -> dict[str, bool]:
    """Return the files and folders that match, and whether they are folders."""
    parts = pattern.split("/")
    fixed = next(number for number, part in enumerate(parts) if _is_glob(part))
    root = "/".join(parts[:fixed]) or ("/" if pattern.startswith("/") else ".")
    store, inner = filesystem(root)
    matches = {inner: True}
    for part in parts[fixed:]:
        listings = [_listing(store, path) for path, is_folder in matches.items() if is_folder]
        infos = [info for listing in listings for info in listing if _matches(info.base_name, part)]
        for info in infos:
            _check_kind(info.path, info.type)
        matches = {info.path: info.type == fs.FileType.Directory for info in infos}
    if is_local(pattern):
        return matches
    return {join(root, posixpath.relpath(path, inner)): is_folder for path, is_folder in matches.items()}


def _is_glob(path: str) -> bool:
    return any(character in path for character in "*?[")


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) and (not _is_hidden(name) or _is_hidden(pattern))


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def delete(path: str) -> None:
    """Delete the file at `path`, or the folder with its content; do nothing if there is neither."""
    store, inner = filesystem(path)
    kind = store.get_file_info(inner).type
    if kind == fs.FileType.File:
        store.delete_file(inner)
    elif kind == fs.FileType.Directory:
        store.delete_dir(inner)


def upload_folder(local: Path, path: str) -> None:
    """Copy the content of the folder `local` into the folder `path`, which is created."""
    store, inner = filesystem(path)
    # Object stores have no folders; creating one needs permission to create buckets, or leaves empty objects behind.
    if is_local(path):
        store.create_dir(inner, recursive=True)
    fs.copy_files(str(local), inner, source_filesystem=fs.LocalFileSystem(), destination_filesystem=store)


def replace_folder(local: Path, path: str) -> None:
    """Copy the content of the folder `local` into the folder `path`, replacing all that was there.

    A local folder appears once it is complete, and the copy of an interrupted call is deleted.
    """
    if not is_local(path):
        delete(path)
        upload_folder(local, path)
        return
    target = Path(absolute(path))
    unfinished = target.with_name(f".{target.name}.unfinished")
    delete(str(unfinished))
    upload_folder(local, str(unfinished))
    delete(str(target))
    unfinished.rename(target)


def download_folder(path: str, local: Path) -> None:
    """Copy the content of the folder `path` into the folder `local`, which is created.

    Raises `InputError` if a key of an object store would be written outside of `local`.
    """
    store, inner = filesystem(path)
    for info in store.get_file_info(fs.FileSelector(inner, recursive=True)):
        if ".." in info.path.removeprefix(inner).split("/"):
            raise InputError(f"{path}: {info.path} has .. as a folder; rename or remove it")
    local.mkdir(parents=True, exist_ok=True)
    fs.copy_files(inner, str(local), source_filesystem=store, destination_filesystem=fs.LocalFileSystem())
