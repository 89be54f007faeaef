"""Digests of the inputs that a job's configuration names, by which changed data under an unchanged name are noticed."""

from collections.abc import Callable, Mapping
from typing import Any

from clism_core.model.resolve import model_digest, resolve_model
from clism_core.preparation.manifest import MANIFEST, read_manifest
from clism_core.training.resume import with_relative_paths
from clism_core.utils.digests import named_files_digest
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Input, LabelledFiles, ModelRef, PreparedData, walk
from clism_core.utils.storage import exists, expand, join


class InputDigests:
    """Computes digests of inputs; each input is read once."""

    def __init__(self) -> None:
        self._digests: dict[tuple[type[Input], str], str | None] = {}

    def of(self, config: Any) -> dict[str, str]:
        """Return the digests of the existing inputs of a job's configuration, by path.

        Prepared data have the digest of their samples, models that of their weights, labelled data that of the names
        and bytes of their files. Models of a hub or a registry have none.

        Returns:
            digests by path; paths below the current folder are relative to it.

        Raises:
            InputError: an input exists and cannot be read, or is of another kind than its field wants.
        """
        found = {
            field.value: self._digest(kind, field.value)
            for field in walk(config)
            for kind in _DIGESTS
            if field.is_marked(kind) and isinstance(field.value, str) and field.value
        }
        there: dict[str, str] = with_relative_paths(
            {path: digest for path, digest in found.items() if digest is not None}
        )
        return there

    def _digest(self, kind: type[Input], path: str) -> str | None:
        if (kind, path) not in self._digests:
            try:
                self._digests[kind, path] = _DIGESTS[kind](path)
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error}") from error
        return self._digests[kind, path]


def _of_model(folder: str) -> str | None:
    return model_digest(resolve_model(folder)) if exists(folder) else None


def _of_prepared(folder: str) -> str | None:
    return str(read_manifest(folder)["content"]) if exists(join(folder, MANIFEST)) else None


def _of_files(path: str) -> str | None:
    files = [file for file in expand(path) if exists(file)]
    return named_files_digest(files) if files else None


_DIGESTS: Mapping[type[Input], Callable[[str], str | None]] = {
    ModelRef: _of_model,
    PreparedData: _of_prepared,
    LabelledFiles: _of_files,
}
