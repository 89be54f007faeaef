"""What is predicted already, in a folder beside the output: a prediction that was stopped goes on from there."""

import hashlib
import json
import logging
import posixpath
import time
from collections.abc import Iterator

import pyarrow as pa

from clism_core.inference.chunks import PREDICTED_SCHEMA, PredictedChunk
from clism_core.inference.config import PredictConfig
from clism_core.inference.row_readers import ROWS_PER_CHUNK, table_bytes
from clism_core.utils import storage

UNFINISHED_ENDING = ".unfinished"
_PARTS_OF_KEY = ("the model", "the input", "the names of the columns", "the format of unfinished work")
_SECONDS_BETWEEN_PARTS = 30.0  # what a killed job may lose
_BYTES_PER_PART = 64 << 20

logger = logging.getLogger(__name__)


class FinishedChunks:
    """The chunks from the first one on that are predicted, as files `FIRST-STOP.arrow` of `OUTPUT.unfinished/KEY`.

    The key is made of hashes of what the predictions depend on: those of another model, or of an input that has
    changed, go.
    """

    def __init__(self, config: PredictConfig, *, fingerprint: str) -> None:
        """Take up what an earlier run has left.

        Args:
            config: with absolute paths.
            fingerprint: of the model.
        """
        self._root = config.output + UNFINISHED_ENDING
        key = _key(config, fingerprint)
        self._folder = storage.join(self._root, key)
        self._parts = []
        others = set()
        for part in storage.list_files(self._root):
            folder = posixpath.dirname(part)
            if folder == self._folder and part.endswith(".arrow"):
                self._parts.append(part)
            else:
                storage.delete(part)
                others.add(posixpath.basename(folder))
        for other in sorted(others - {key}):
            logger.warning(
                "what an earlier run has predicted in %s goes, and prediction begins at row 1: %s changed since",
                *(self._root, _difference(other, key)),
            )
        self.count = int(self._parts[-1].removesuffix(".arrow").rpartition("-")[2]) if self._parts else 0
        self._waiting: list[PredictedChunk] = []
        self._waiting_bytes = 0
        self._written = time.monotonic()
        if self.count:
            logger.info("going on: %d chunks of %d rows are predicted already", self.count, ROWS_PER_CHUNK)

    def add(self, chunk: PredictedChunk) -> None:
        """Take the next chunk; it is written within half a minute."""
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk.content)
        if self._waiting_bytes >= _BYTES_PER_PART or time.monotonic() - self._written >= _SECONDS_BETWEEN_PARTS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken and is not written yet."""
        if self._waiting:
            stop = self.count + len(self._waiting)
            part = storage.join(self._folder, f"{self.count:09d}-{stop:09d}.arrow")
            table = pa.Table.from_pylist([chunk._asdict() for chunk in self._waiting], schema=PREDICTED_SCHEMA)
            storage.write_bytes(part, table_bytes(table))
            self._parts.append(part)
            self.count = stop
            self._waiting, self._waiting_bytes = [], 0
        self._written = time.monotonic()

    def __iter__(self) -> Iterator[PredictedChunk]:
        """Yield all chunks that are written, in their order, a file of them held at once."""
        for part in self._parts:
            for chunk in pa.ipc.open_stream(storage.read_bytes(part)).read_all().to_pylist():
                yield PredictedChunk(**chunk)

    def delete(self) -> None:
        """Remove the folder."""
        storage.delete(self._root)


def _key(config: PredictConfig, fingerprint: str) -> str:
    """Return the hashes of `_PARTS_OF_KEY`, joined by "-"."""
    store, inner = storage.filesystem(config.input)
    info = store.get_file_info(inner)
    parts = (
        fingerprint,
        (config.input, info.size, info.mtime_ns),
        (config.question_column, config.context_column, config.text_column, config.tokens_column),
        (ROWS_PER_CHUNK, PREDICTED_SCHEMA.names),
    )
    return "-".join(hashlib.blake2b(json.dumps(part).encode(), digest_size=8).hexdigest() for part in parts)


def _difference(one: str, other: str) -> str:
    """Return what differs between two keys."""
    hashes = one.split("-"), other.split("-")
    if len(hashes[0]) != len(hashes[1]):  # no key, or that of another version
        return _PARTS_OF_KEY[-1]
    return " and ".join(name for name, a, b in zip(_PARTS_OF_KEY, *hashes, strict=True) if a != b)
