"""What lies at the paths that a job's configuration names: data that change under the same name are noticed by it."""

import dataclasses
import hashlib
import posixpath
from collections.abc import Iterator
from typing import Any

from clism_core.data.manifest import MANIFEST, read_manifest
from clism_core.errors import InputError
from clism_core.model.names import MODEL_FILE, model_digest, resolve_model
from clism_core.storage import exists, expand, join, read_bytes

PATHS = ("model", "data", "train", "dev", "path")
"""Fields that name files or folders, in whatever part of a configuration."""


class Contents:
    """Digests of files and folders, each of which is read once."""

    def __init__(self) -> None:
        self._digests: dict[str, str | None] = {}

    def of(self, config: Any) -> dict[str, str]:
        """Return digests of what lies at the paths of a job's configuration, by path; nothing of what is not there.

        Of prepared data it is that of the samples, of a model that of its weights, of labelled data that of the names
        and bytes of their files. Models of a hub or a registry lie at no path.

        Raises:
            InputError: for what is there and cannot be read.
        """
        paths = dict.fromkeys(_paths(dataclasses.asdict(config)))
        found = {path: self._digest(path) for path in paths}
        return {path: digest for path, digest in found.items() if digest is not None}

    def _digest(self, path: str) -> str | None:
        if path not in self._digests:
            try:
                self._digests[path] = _content_digest(path)
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error}") from error
        return self._digests[path]


def _paths(fields: Any, name: str = "") -> Iterator[str]:
    if isinstance(fields, dict):
        for key, value in fields.items():
            yield from _paths(value, str(key))
    elif isinstance(fields, list):
        for value in fields:
            yield from _paths(value, name)
    elif isinstance(fields, str) and fields and name in PATHS:
        yield fields


def _content_digest(path: str) -> str | None:
    if exists(join(path, MANIFEST)):
        return str(read_manifest(path)["content"])
    if exists(join(path, MODEL_FILE)):
        return model_digest(resolve_model(path))
    files = [file for file in expand(path) if exists(file)]
    if not files:
        return None
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        content = hashlib.blake2b(read_bytes(file)).hexdigest()
        digest.update(f"{posixpath.basename(file)} {content}\n".encode())
    return digest.hexdigest()
