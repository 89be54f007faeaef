"""Staging store: finished parts of a job's work, from which an interrupted job resumes.

The parts are files in `ROOT/KEY/`. Any process writes its own parts, each atomically and under a name that depends only
on the part of the input that it covers. Thus a part that is made twice, by a retry or a second driver, is still one
file.

The key consists of digests of everything that the parts depend on. Parts with different keys are never mixed.
"""

import json
import logging
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clism_core.utils import storage
from clism_core.utils.errors import InputError

_OPENED = "opened"  # first file written by the driver; other nodes check that they see it

logger = logging.getLogger(__name__)


class StagingStore:
    """Parts with one key. Can be pickled, and used by all processes that see the folder.

    Args:
        root: folder of all keys, which the job deletes at its end.
        key: short digests of the dependencies of the parts, by their names in messages, such as `the input`. If the
            format of the parts may change between versions, its digest is the last one; if it differs, the others are
            not comparable and only the format is reported.
    """

    def __init__(self, root: str, key: Mapping[str, str]) -> None:
        self.root = root
        self._dependencies = tuple(key)
        self._key = "-".join(key.values())

    def open(self) -> None:
        """Delete parts with other keys and warn which dependencies have changed; the driver calls it first."""
        inner = storage.absolute(self.root)
        keys = {file.removeprefix(inner).lstrip("/").partition("/")[0] for file in storage.list_files(self.root)}
        for other in sorted(keys - {self._key}):
            logger.warning(
                "unfinished work in %s is discarded and the job starts from the beginning: %s changed since",
                *(self.root, self._difference(other)),
            )
            storage.delete(storage.join(self.root, other))
        self.write_json({}, _OPENED)

    def check_opened(self) -> None:
        """Raise `InputError` if this node does not see the folder that the driver has opened."""
        if not storage.exists(self.path(_OPENED)):
            raise InputError(
                f"output: {self.root} is not visible on all nodes, or another job has deleted it; give an s3:// path "
                "or one on shared storage, and run one job at a time for an output"
            )

    def path(self, *parts: str) -> str:
        """Return the path of a file or folder in the key's folder, given its path components."""
        return storage.join(self.root, self._key, *parts)

    def names(self, folder: str) -> set[str]:
        """Return the names of the parts in a folder, without their extensions."""
        files = map(posixpath.basename, storage.list_files(self.path(folder)))
        return {file.rpartition(".")[0] for file in files if not file.startswith(".")}  # incomplete files start with it

    def write(self, content: bytes, *path: str) -> None:
        """Write a part, atomically."""
        storage.write_bytes(self.path(*path), content)

    def read(self, *path: str) -> bytes:
        """Return the content of a part."""
        return storage.read_bytes(self.path(*path))

    def read_all(self, folder: str, names: Sequence[str], *, at_once: int) -> Iterator[bytes]:
        """Yield the contents of the parts with these file names, in this order, `at_once` in memory at a time."""
        with ThreadPoolExecutor(at_once) as readers:
            for first in range(0, len(names), at_once):
                group = names[first : first + at_once]
                yield from readers.map(lambda name: self.read(folder, name), group)

    def write_json(self, content: object, *path: str) -> None:
        """Write `content` as JSON."""
        self.write(json.dumps(content).encode(), *path)

    def read_json(self, *path: str) -> Any:
        """Return the content of a JSON file; None if it does not exist."""
        file = self.path(*path)
        return storage.read_json(file, advice=f"delete {self.root}") if storage.exists(file) else None

    def delete(self) -> None:
        """Delete the parts of all keys."""
        storage.delete(self.root)

    def _difference(self, key: str) -> str:
        hashes, others = self._key.split("-"), key.split("-")
        if len(hashes) != len(others) or hashes[-1] != others[-1]:  # of another version: not comparable
            return self._dependencies[-1]
        named = zip(self._dependencies, hashes, others, strict=True)
        return " and ".join(name for name, one, other in named if one != other)
