"""Staging store: finished parts of a job's work, from which an interrupted job resumes.

The parts are files below `ROOT/KEY/`. Any process writes its own, each as a whole, under a name that follows from the
part of the input that it covers. A part that is made twice, by a retry or by a second driver, is thus one file still.

The key consists of digests of all that the parts depend on. Parts with another key are never mixed with these.
"""

import json
import logging
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clism_core.utils import storage
from clism_core.utils.errors import InputError

_OPENED = "opened"  # the file that a driver writes first, for the other nodes to see

logger = logging.getLogger(__name__)


class StagingStore:
    """The parts of one key. Can be pickled, and used in all processes that see the folder.

    Args:
        root: folder of all keys, which the job deletes at its end.
        key: short digests of what the parts depend on, each under the name that messages give it, such as
            `the input`; the last one is that of the format of the parts, if others may change it.
    """

    def __init__(self, root: str, key: Mapping[str, str]) -> None:
        self.root = root
        self._dependencies = tuple(key)
        self._key = "-".join(key.values())

    def open(self) -> None:
        """Delete what has another key, with a warning that names what has changed. The driver calls it first."""
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
        """Raise `InputError` if this node does not see what the driver has written."""
        if not storage.exists(self.path(_OPENED)):
            raise InputError(
                f"output: {self.root} is not visible on all nodes, or another job has deleted it; give an s3:// path "
                "or one on shared storage, and run one job at a time for an output"
            )

    def path(self, *place: str) -> str:
        """Return the path of a place below the key's folder."""
        return storage.join(self.root, self._key, *place)

    def names(self, folder: str) -> set[str]:
        """Return the names of the parts in a folder, without their extensions."""
        files = map(posixpath.basename, storage.list_files(self.path(folder)))
        return {file.rpartition(".")[0] for file in files if not file.startswith(".")}  # those are of killed writers

    def write(self, content: bytes, *place: str) -> None:
        """Write a part, atomically."""
        storage.write_bytes(self.path(*place), content)

    def read(self, *place: str) -> bytes:
        """Return the content of a part."""
        return storage.read_bytes(self.path(*place))

    def read_all(self, folder: str, names: Sequence[str], *, at_once: int) -> Iterator[bytes]:
        """Yield the contents of the parts with these file names, in this order; so many are in memory at once."""
        with ThreadPoolExecutor(at_once) as readers:
            for first in range(0, len(names), at_once):
                some = names[first : first + at_once]
                yield from readers.map(lambda name: self.read(folder, name), some)

    def write_json(self, content: object, *place: str) -> None:
        """Write `content` as JSON."""
        self.write(json.dumps(content).encode(), *place)

    def read_json(self, *place: str) -> Any:
        """Return what `write_json` has written; None if there is nothing."""
        return json.loads(self.read(*place)) if storage.exists(self.path(*place)) else None

    def delete(self) -> None:
        """Delete the parts of all keys."""
        storage.delete(self.root)

    def _difference(self, key: str) -> str:
        hashes, others = self._key.split("-"), key.split("-")
        if len(hashes) != len(others):  # of another version
            return self._dependencies[-1]
        named = zip(self._dependencies, hashes, others, strict=True)
        return " and ".join(name for name, one, other in named if one != other)
