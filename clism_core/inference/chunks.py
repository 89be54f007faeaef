"""One chunk of rows: what the model predicts for it, as a piece of the output file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa

from clism_core.inference.config import PredictConfig
from clism_core.inference.records import Reason, Reject, make_record
from clism_core.inference.row_readers import Chunk, FileFormat, rows_of
from clism_core.inference.row_writers import UnfitError, encode_rejects, encode_rows
from clism_core.tasks.predictor import Predictor
from clism_core.tasks.registry import TASKS, TaskName

SHOWN_ROWS = 3
"""Rows of the output that are shown at the end."""


@dataclass(frozen=True)
class Layout:
    """The formats and columns of a prediction, which are known before it begins."""

    task: TaskName
    input_format: FileFormat
    output_format: FileFormat
    columns: Sequence[str]
    """Of the output."""
    schema: pa.Schema | None
    """Of the output, where it is Parquet."""


class PredictedChunk(NamedTuple):
    """What comes of a chunk."""

    first_row: int
    """The number of its first row, from 1."""
    rows: int
    """How many of the input it was."""
    predicted: int
    content: bytes
    """A piece of the output, as `row_writer` takes it."""
    rejects: bytes
    """A piece of the file of rejects."""
    reasons: str
    """How many rows were rejected for what, as a JSON object."""
    cut: int
    """Records that were longer than the model takes, and lost their end."""
    first: str
    """The first rows with their predictions, to be shown: a JSON list."""


PREDICTED_SCHEMA = pa.schema(
    [
        *((name, pa.int64()) for name in ("first_row", "rows", "predicted")),
        *((name, pa.large_binary()) for name in ("content", "rejects")),
        ("reasons", pa.string()),
        ("cut", pa.int64()),
        ("first", pa.string()),
    ]
)
"""Of a table of predicted chunks."""


def predict_chunk(chunk: Chunk, *, predictor: Predictor[Any], layout: Layout, config: PredictConfig) -> PredictedChunk:
    """Return the rows of a chunk with their predictions, in their order, and those that have none.

    Raises:
        InputError: the output's format does not hold what a column has.
    """
    rows = rows_of(chunk, layout.input_format)
    task = TASKS[layout.task]
    made = [make_record(row, task=task, config=config) for row in rows]
    rejects = [record for record in made if isinstance(record, Reject)]
    usable = [(row, record) for row, record in zip(rows, made, strict=True) if not isinstance(record, Reject)]
    predictions, cut = predictor.predict([record for _, record in usable])
    columns = task.output_schema.names
    complete = [
        (row.number, {**(row.values or {}), **{column: prediction[column] for column in columns}})
        for (row, _), prediction in zip(usable, predictions, strict=True)
    ]
    content, unfit = _encoded(complete, layout)
    rejects = sorted([*rejects, *unfit])
    return PredictedChunk(
        first_row=chunk.first_row,
        rows=len(rows),
        predicted=len(complete) - len(unfit),
        content=content,
        rejects=encode_rejects(rejects),
        reasons=json.dumps(count_reasons(rejects)),
        cut=sum(cut),
        first=json.dumps(_first_written(complete, unfit), default=str),
    )


def count_reasons(rejects: Sequence[Reject]) -> dict[str, int]:
    """Return how many rows were rejected for what, such as `missing (question)`."""
    counts: dict[str, int] = {}
    for reject in rejects:
        name = f"{reject.reason} ({reject.column})" if reject.column else str(reject.reason)
        counts[name] = counts.get(name, 0) + 1
    return counts


def _first_written(rows: Sequence[tuple[int, Mapping[str, Any]]], unfit: Sequence[Reject]) -> list[Mapping[str, Any]]:
    unwritten = {reject.row for reject in unfit}
    return list(islice((values for number, values in rows if number not in unwritten), SHOWN_ROWS))


def _encoded(rows: Sequence[tuple[int, Mapping[str, Any]]], layout: Layout) -> tuple[bytes, list[Reject]]:
    """Return the rows that fit into the output as a piece of it, and the others."""
    encode = partial(encode_rows, kind=layout.output_format, columns=layout.columns, schema=layout.schema)
    try:
        return encode(rows), []
    except UnfitError:  # which is rare: only now is it worth while to look at each
        unfit = []
        for row in rows:
            try:
                encode([row])
            except UnfitError as error:
                unfit.append(Reject(row[0], Reason.UNFIT, error.column))
    numbers = {reject.row for reject in unfit}
    return encode([row for row in rows if row[0] not in numbers]), unfit
