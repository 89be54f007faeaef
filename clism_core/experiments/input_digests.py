"""Digests of the inputs of a job, which reveal data that changed under the same name."""

from collections.abc import Callable, Mapping
from typing import Any

from clism_core.model.resolve import is_tracked, model_digest, resolve_model
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

        The digest of prepared data covers their samples, that of a model its weights, that of labelled data the names
        and bytes of the files. Models of a hub or a registry have none.

        Returns:
            digests by path; paths below the current folder are relative to it.

        Raises:
            InputError: an input exists and cannot be read, or is of the wrong kind for its field.
        """
        digests = {
            field.value: self._digest(kind, field.value)
            for field in walk(config)
            for kind in _DIGESTS
            if field.is_marked(kind) and isinstance(field.value, str) and field.value
        }
        existing: dict[str, str] = with_relative_paths(
            {path: digest for path, digest in digests.items() if digest is not None}
        )
        return existing

    def _digest(self, kind: type[Input], path: str) -> str | None:
        if (kind, path) not in self._digests:
            try:
                self._digests[kind, path] = _DIGESTS[kind](path)
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error}") from error
        return self._digests[kind, path]


def _model_digest(folder: str) -> str | None:
    return None if is_tracked(folder) or not exists(folder) else model_digest(resolve_model(folder))


def _prepared_digest(folder: str) -> str | None:
    return str(read_manifest(folder)["content"]) if exists(join(folder, MANIFEST)) else None


def _files_digest(path: str) -> str | None:
    files = [file for file in expand(path) if exists(file)]
    return named_files_digest(files) if files else None


_DIGESTS: Mapping[type[Input], Callable[[str], str | None]] = {
    ModelRef: _model_digest,
    PreparedData: _prepared_digest,
    LabelledFiles: _files_digest,
}
