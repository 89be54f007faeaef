"""Finished chunks, stored in a folder beside the output, from which an interrupted prediction resumes."""

import logging
from collections.abc import Iterator

import pyarrow as pa

from clism_core.inference.chunks import PREDICTED_SCHEMA, PredictedChunk
from clism_core.inference.config import PredictConfig
from clism_core.inference.row_readers import ROWS_PER_CHUNK
from clism_core.utils.arrow import read_stream, stream_bytes
from clism_core.utils.digests import file_digests, text_digest
from clism_core.utils.errors import InputError
from clism_core.utils.staging_store import StagingStore

_CHUNKS = "chunks"
_DIGITS = 16  # of each digest of the key
_VERSION = 2
_AT_ONCE = 8  # chunks in the memory of the driver: enough to hide the latency of an object store

logger = logging.getLogger(__name__)


class PartialResults(StagingStore):
    """The files `chunks/FIRST_ROW.arrow` in `OUTPUT.unfinished/KEY`, each with the result of a chunk.

    Args:
        config: configuration with absolute paths.
        fingerprint: fingerprint of the model.
    """

    def __init__(self, config: PredictConfig, *, fingerprint: str) -> None:
        columns = (config.question_column, config.context_column, config.text_column, config.tokens_column)
        dependencies = {
            "the model": fingerprint,
            "the input": file_digests([config.input]),
            "the names of the columns": columns,
            "the format of unfinished work": (ROWS_PER_CHUNK, PREDICTED_SCHEMA.names, _VERSION),
        }
        key = {name: text_digest(repr(value))[:_DIGITS] for name, value in dependencies.items()}
        super().__init__(staging_folder(config), key)

    def finished(self) -> set[int]:
        """Return the first row number of each finished chunk."""
        first_rows = {int(name) for name in self.names(_CHUNKS)}
        if first_rows:
            logger.info("resuming: %d chunks of %d rows are already predicted", len(first_rows), ROWS_PER_CHUNK)
        return first_rows

    def write_chunk(self, chunk: PredictedChunk) -> None:
        """Write a chunk; called by an actor with which the driver may have lost contact.

        Raises:
            InputError: if the folder that the driver opened is not visible on this node.
        """
        self.check_opened()
        table = pa.Table.from_pylist([chunk._asdict()], schema=PREDICTED_SCHEMA)
        self.write(stream_bytes(table), _CHUNKS, _file_name(chunk.first_row))

    def read_chunks(self, first_rows: set[int]) -> Iterator[PredictedChunk]:
        """Yield the chunks with these first rows, in input order, with a few of them in memory at once.

        Raises:
            InputError: if rows are in two chunks or in none, as when another driver has cut the input differently.
        """
        next_row = 1
        files = [_file_name(row) for row in sorted(first_rows)]
        for file, content in zip(files, self.read_all(_CHUNKS, files, at_once=_AT_ONCE), strict=True):
            (chunk,) = read_stream(content, title=self.path(_CHUNKS, file)).to_pylist()
            predicted = PredictedChunk(**chunk)
            if predicted.first_row != next_row:
                raise InputError(
                    f"{self.root}: unfinished predictions of several jobs overlap or are incomplete at row {next_row}; "
                    "delete this folder, and the same command predicts all rows again"
                )
            next_row += predicted.rows
            yield predicted


def staging_folder(config: PredictConfig) -> str:
    """Return the staging folder of unfinished predictions, which must be visible on all nodes."""
    return config.output + ".unfinished"


def _file_name(first_row: int) -> str:
    return f"{first_row:012d}.arrow"
