"""One chunk of rows: what the model predicts for it, as a piece of the output file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from clism_core.errors import InputError
from clism_core.tasks.config import TaskName
from clism_core.tasks.mrc.predictor import MrcPredictor
from clism_core.tasks.prediction.config import PredictConfig
from clism_core.tasks.prediction.reading import Chunk, FileFormat, Row, rows_of
from clism_core.tasks.prediction.records import OUTPUT_COLUMNS, Reject, make_record
from clism_core.tasks.prediction.writing import encode_rejects, encode_rows
from clism_core.tasks.predictor import Predictor


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
    """Questions that were longer than the model takes, and lost their end."""


PREDICTED_SCHEMA = pa.schema(
    [
        *((name, pa.int64()) for name in ("first_row", "rows", "predicted")),
        *((name, pa.large_binary()) for name in ("content", "rejects")),
        ("reasons", pa.string()),
        ("cut", pa.int64()),
    ]
)
"""Of a table of predicted chunks."""


def predict_chunk(chunk: Chunk, *, predictor: Predictor, layout: Layout, config: PredictConfig) -> PredictedChunk:
    """Return the rows of a chunk with their predictions, in their order, and those that have none.

    Raises:
        InputError: a row has a column where a prediction is to stand, or does not fit into the output's columns.
    """
    rows = rows_of(chunk, layout.input_format)
    made = [make_record(row, task=layout.task, config=config) for row in rows]
    rejects = [record for record in made if isinstance(record, Reject)]
    usable = [(row, record) for row, record in zip(rows, made, strict=True) if not isinstance(record, Reject)]
    records = [record for _, record in usable]
    if isinstance(predictor, MrcPredictor):
        predictions, cut = predictor.answer(records)
    else:
        predictions, cut = predictor(records), []
    complete = [
        (row.number, _with_prediction(row, prediction, OUTPUT_COLUMNS[layout.task]))
        for (row, _), prediction in zip(usable, predictions, strict=True)
    ]
    return PredictedChunk(
        first_row=chunk.first_row,
        rows=len(rows),
        predicted=len(complete),
        content=encode_rows(complete, kind=layout.output_format, columns=layout.columns, schema=layout.schema),
        rejects=encode_rejects(rejects),
        reasons=json.dumps(count_reasons(rejects)),
        cut=sum(cut),
    )


def count_reasons(rejects: Sequence[Reject]) -> dict[str, int]:
    """Return how many rows were rejected for what, such as `missing (question)`."""
    counts: dict[str, int] = {}
    for reject in rejects:
        name = f"{reject.reason} ({reject.column})" if reject.column else str(reject.reason)
        counts[name] = counts.get(name, 0) + 1
    return counts


def _with_prediction(row: Row, prediction: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    values = row.values or {}
    clashes = [column for column in columns if column in values]
    if clashes:
        raise InputError(f"row {row.number} has a column {clashes[0]}, where its prediction is to stand; rename it")
    return {**values, **{column: prediction[column] for column in columns}}
