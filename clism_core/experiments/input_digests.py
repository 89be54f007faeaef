"""Digests of the inputs that a job's configuration names, by which changed data under an unchanged name are noticed."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from clism_core.model.resolve import model_digest, resolve_model
from clism_core.preparation.manifest import MANIFEST, read_manifest
from clism_core.training.resume import wherever_it_stands
from clism_core.utils.digests import named_files_digest
from clism_core.utils.errors import InputError
from clism_core.utils.storage import exists, expand, join


class InputDigests:
    """Computes digests of inputs; each input is read once."""

    def __init__(self) -> None:
        self._digests: dict[tuple[str, str], str | None] = {}

    def of(self, config: Any) -> dict[str, str]:
        """Return the digests of the existing inputs of a job's configuration, by path.

        Prepared data have the digest of their samples, models that of their weights, labelled data that of the names
        and bytes of their files. Models of a hub or a registry have none.

        Returns:
            digests by path; paths below the current folder are relative to it.

        Raises:
            InputError: an input exists and cannot be read, or is of another kind than its field wants.
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
    return named_files_digest(files) if files else None


_FIELDS: Mapping[str, Callable[[str], str | None]] = {
    "model": _of_model,
    "data": _of_prepared,
    "train": _of_files,
    "dev": _of_files,
    "tests": _of_files,
}
