"""What lies at the paths that a job's configuration names: data that change under the same name are noticed by it."""

import dataclasses
import hashlib
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from clism_core.model.resolve import model_digest, resolve_model
from clism_core.preparation.manifest import MANIFEST, read_manifest
from clism_core.training.resume import wherever_it_stands
from clism_core.utils.errors import InputError
from clism_core.utils.storage import exists, expand, join, read_bytes


class Contents:
    """Digests of files and folders, each of which is read once."""

    def __init__(self) -> None:
        self._digests: dict[tuple[str, str], str | None] = {}

    def of(self, config: Any) -> dict[str, str]:
        """Return digests of what lies at the paths of a job's configuration; nothing of what is not there.

        Of prepared data it is that of the samples, of a model that of its weights, of labelled data that of the names
        and bytes of their files. Models of a hub or a registry lie at no path.

        Returns:
            the digests by path; paths below the current folder as they stand in it.

        Raises:
            InputError: for what is there and cannot be read, or is not what its field names.
        """
        found = {path: self._digest(field, path) for field, path in _paths(dataclasses.asdict(config))}
        there: dict[str, str] = wherever_it_stands(
            {path: digest for path, digest in found.items() if digest is not None}
        )
        return there

    def _digest(self, field: str, path: str) -> str | None:
        if (field, path) not in self._digests:
            try:
                self._digests[field, path] = _FIELDS[field](path)
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error}") from error
        return self._digests[field, path]


def _paths(fields: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the fields that name paths, and the paths; `path` is a part of the field that it stands in."""
    if isinstance(fields, dict):
        for key, value in fields.items():
            yield from _paths(value, name if key == "path" else str(key))
    elif isinstance(fields, list):
        for value in fields:
            yield from _paths(value, name)
    elif isinstance(fields, str) and fields and name in _FIELDS:
        yield name, fields


def _of_model(folder: str) -> str | None:
    return model_digest(resolve_model(folder)) if exists(folder) else None


def _of_prepared(folder: str) -> str | None:
    return str(read_manifest(folder)["content"]) if exists(join(folder, MANIFEST)) else None


def _of_files(path: str) -> str | None:
    files = [file for file in expand(path) if exists(file)]
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        content = hashlib.blake2b(read_bytes(file)).hexdigest()
        digest.update(f"{posixpath.basename(file)} {content}\n".encode())
    return digest.hexdigest() if files else None


_FIELDS: Mapping[str, Callable[[str], str | None]] = {
    "model": _of_model,
    "data": _of_prepared,
    "train": _of_files,
    "dev": _of_files,
    "tests": _of_files,
}
