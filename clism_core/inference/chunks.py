"""Prediction of one chunk of rows, encoded as a part of the output file."""

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
"""Number of output rows that are printed at the end."""


@dataclass(frozen=True)
class Layout:
    """Formats and columns of the input and the output, which are known before prediction starts."""

    task: TaskName
    input_format: FileFormat
    output_format: FileFormat
    columns: Sequence[str]
    """Columns of the output."""
    schema: pa.Schema | None
    """Schema of a Parquet output; None for other formats."""


class PredictedChunk(NamedTuple):
    """Result of a chunk."""

    first_row: int
    """Number of its first row, from 1."""
    rows: int
    """Number of its input rows, blank lines included."""
    predicted: int
    content: bytes
    """Part of the output, encoded for `row_writer`."""
    rejects: bytes
    """Part of the rejects file."""
    reasons: str
    """Number of rejected rows by reason, as a JSON object."""
    cut: int
    """Number of records that exceeded the maximum length of the model and were truncated."""
    first: str
    """First rows with their predictions, to be printed, as a JSON list."""


PREDICTED_SCHEMA = pa.schema(
    [
        *((name, pa.int64()) for name in ("first_row", "rows", "predicted")),
        *((name, pa.large_binary()) for name in ("content", "rejects")),
        ("reasons", pa.string()),
        ("cut", pa.int64()),
        ("first", pa.string()),
    ]
)
"""Schema of tables of `PredictedChunk`."""


def predict_chunk(chunk: Chunk, *, predictor: Predictor[Any], layout: Layout, config: PredictConfig) -> PredictedChunk:
    """Return the rows of a chunk with their predictions, in order, and the rejected rows.

    Raises:
        InputError: if the output format cannot represent the values of a column.
    """
    rows = rows_of(chunk, layout.input_format)
    task = TASKS[layout.task]
    records = [make_record(row, task=task, config=config) for row in rows]
    rejects = [record for record in records if isinstance(record, Reject)]
    usable = [(row, record) for row, record in zip(rows, records, strict=True) if not isinstance(record, Reject)]
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
        rows=chunk.rows,
        predicted=len(complete) - len(unfit),
        content=content,
        rejects=encode_rejects(rejects),
        reasons=json.dumps(count_reasons(rejects)),
        cut=sum(cut),
        first=json.dumps(_first_written(complete, unfit), default=str),
    )


def count_reasons(rejects: Sequence[Reject]) -> dict[str, int]:
    """Return the number of rejected rows by reason, such as `missing (question)`."""
    counts: dict[str, int] = {}
    for reject in rejects:
        name = f"{reject.reason} ({reject.column})" if reject.column else str(reject.reason)
        counts[name] = counts.get(name, 0) + 1
    return counts


def _first_written(rows: Sequence[tuple[int, Mapping[str, Any]]], unfit: Sequence[Reject]) -> list[Mapping[str, Any]]:
    unwritten = {reject.row for reject in unfit}
    return list(islice((values for number, values in rows if number not in unwritten), SHOWN_ROWS))


def _encoded(rows: Sequence[tuple[int, Mapping[str, Any]]], layout: Layout) -> tuple[bytes, list[Reject]]:
    """Return the rows that fit into the output, encoded, and the others as rejects."""
    encode = partial(encode_rows, kind=layout.output_format, columns=layout.columns, schema=layout.schema)
    try:
        return encode(rows), []
    except UnfitError:  # rare, so rows are encoded one by one only in this case
        unfit = []
        for row in rows:
            try:
                encode([row])
            except UnfitError as error:
                unfit.append(Reject(row[0], Reason.UNFIT, error.column))
    numbers = {reject.row for reject in unfit}
    return encode([row for row in rows if row[0] not in numbers]), unfit
