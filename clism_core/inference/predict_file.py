"""Prediction of a file: checks before it starts, prediction with Ray Data, and the output file.

One task reads the file in chunks; actors with the model predict them concurrently and write the results into the
staging store, one file per chunk; this process concatenates the files in input order. No process holds more than a few
chunks in memory.
"""

import dataclasses
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, Datasource, ReadTask
from ray.data.block import BlockMetadata

from clism_core.cluster.nodes import node_resources
from clism_core.cluster.ray_data import map_with_retries
from clism_core.inference.chunks import SHOWN_ROWS, Layout, PredictedChunk, predict_chunk
from clism_core.inference.config import PredictConfig
from clism_core.inference.models import find_model
from clism_core.inference.partial_results import PartialResults
from clism_core.inference.pool import find_pool
from clism_core.inference.predictor import load_predictor
from clism_core.inference.records import check_columns, make_record
from clism_core.inference.row_readers import (
    Chunk,
    FileFormat,
    columns_of,
    file_format,
    read_chunks,
    rows_of,
    schema_of,
)
from clism_core.inference.row_writers import output_file, row_writer, table_schema
from clism_core.model.paths import with_absolute_paths
from clism_core.model.resolve import resolve_model
from clism_core.model.tokenizer import load_tokenizer
from clism_core.model.vocabulary import check_words, spread
from clism_core.tasks.predictor import Predictor
from clism_core.tasks.registry import TASKS, AnyTask, TaskName, read_task
from clism_core.utils import storage
from clism_core.utils.errors import InputError, input_error_within
from clism_core.utils.fields import check_bounds
from clism_core.utils.progress import Progress
from clism_core.utils.text import listed

logger = logging.getLogger(__name__)

REJECTS_ENDING = ".rejects.jsonl"
_CHUNK_SCHEMA = pa.schema([("first_row", pa.int64()), ("rows", pa.int64()), ("content", pa.large_binary())])
_DONE_COLUMNS = ["first_row", "rows"]


@dataclass(frozen=True)
class Plan:
    """A checked prediction that is ready to run."""

    config: PredictConfig
    """Configuration with absolute paths, and a model name that resolves to the same version on every node."""
    layout: Layout
    model_size: int
    """Size of the model in bytes."""
    model_fingerprint: str
    """Digest of the model's files."""


@dataclass(frozen=True)
class PredictionResult:
    """Result of a prediction."""

    predicted: int
    """Number of rows with a prediction."""
    rejected: Mapping[str, int]
    """Number of rejected rows by reason."""
    rejects_path: str
    first: Sequence[Mapping[str, Any]]
    """First rows of the output, to be printed."""


def plan(config: PredictConfig) -> Plan:
    """Check `config`, the model and the first rows of the input, without a cluster.

    Raises:
        InputError: if any of these cannot be used, or the output already exists.
    """
    check_bounds(config)
    formats = file_format(config.input, option="input"), file_format(config.output, option="output")
    config = with_absolute_paths(config)
    _check_paths(config)
    model = find_model(config.model)
    task = model.task or read_task(resolve_model(model.name))  # raises an error that names the missing file
    config = dataclasses.replace(config, model=model.name)
    layout = _layout(config, task.task, *formats)
    _check_words(config, TASKS[task.task], formats[0])
    return Plan(
        config=config,
        layout=layout,
        model_size=model.size,
        model_fingerprint=model.fingerprint,
    )


def _check_paths(config: PredictConfig) -> None:
    if config.input in (config.output, rejects_path(config)):
        raise InputError(
            f"--output {config.output}: the output or its rejects file would overwrite --input; give another name"
        )
    if not storage.exists(config.input):
        raise InputError(f"--input {config.input}: not found")
    existing = [path for path in (config.output, rejects_path(config)) if storage.exists(path)]
    if existing and not config.overwrite:
        raise InputError(f"--output: {existing[0]} already exists; give another name, or --overwrite true")


def _layout(config: PredictConfig, task: TaskName, input_format: FileFormat, output_format: FileFormat) -> Layout:
    first = next(read_chunks(config.input), None)
    if first is None:
        raise InputError(f"--input {config.input} has no rows")
    rows = rows_of(first, input_format)
    columns = columns_of(rows)
    output = TASKS[task].output_schema
    check_columns(columns, task=TASKS[task], config=config)
    schema = None
    if output_format == "parquet":
        is_parquet = input_format == "parquet"
        input_schema = schema_of(first) if is_parquet else table_schema([row.values or {} for row in rows])
        schema = pa.schema([*input_schema, *output], metadata=input_schema.metadata)
    return Layout(
        task=task,
        input_format=input_format,
        output_format=output_format,
        columns=[*columns, *output.names],
        schema=schema,
    )


def _check_words(config: PredictConfig, task: AnyTask, input_format: FileFormat) -> None:
    """Warn if the model's tokenizer does not know many words of the first rows."""
    rows = rows_of(next(read_chunks(config.input)), input_format)
    records = (make_record(row, task=task, config=config) for row in spread(rows))
    values = (value for record in records if isinstance(record, dict) for value in record.values())
    texts = (value if isinstance(value, str) else " ".join(value) for value in values)
    check_words(load_tokenizer(resolve_model(config.model)), texts, place=f"--input {config.input}", strict=False)


def rejects_path(config: PredictConfig) -> str:
    """Return the path of the rejects file, which lists the rejected rows."""
    return config.output + REJECTS_ENDING


def predict(plan: Plan) -> PredictionResult:
    """Predict all rows of the input on the connected Ray cluster, and write the output.

    Resumes an earlier run with the same input and model that was stopped.

    Raises:
        InputError: if the input turns out to be invalid, or no row can be predicted; no output is written.
    """
    try:
        return finish(plan, lambda results, finished: _predict_chunks(plan, results, finished=finished))
    except Exception as error:
        cause = input_error_within(error)
        if cause is None:
            raise
        raise cause from None


PredictChunks: TypeAlias = Callable[[PartialResults, set[int]], Iterable[tuple[int, int]]]
"""Predicts and writes the chunks whose first rows are not in the set; yields the first row and row count of each."""


def finish(plan: Plan, predict_chunks: PredictChunks) -> PredictionResult:
    """Predict the chunks that an earlier run has not finished, and write the output of all chunks.

    Raises:
        InputError: if no row has a prediction; the rejects file is kept.
    """
    results = PartialResults(plan.config, fingerprint=plan.model_fingerprint)
    results.open()
    finished = results.finished()
    progress = Progress("predicting")
    predicted = set()
    for first_row, rows in predict_chunks(results, finished):
        predicted.add(first_row)
        progress.add(rows)
    result = write_output(results.read_chunks(finished | predicted), config=plan.config, layout=plan.layout)
    results.delete()
    if not result.predicted:
        reasons = listed(f"{reason} {rows:,}" for reason, rows in result.rejected.items())
        why = f"{reasons}; see {result.rejects_path}" if reasons else "it has no rows"
        raise InputError(f"--input {plan.config.input}: no row can be predicted: {why}")
    return result


class _NoPredictionError(Exception):
    """Ends the writing of an output without rows, so that the file is not created."""


def write_output(chunks: Iterable[PredictedChunk], *, config: PredictConfig, layout: Layout) -> PredictionResult:
    """Write the results of the chunks, given in input order, as one output file and one rejects file.

    A file without rows is not written.
    """
    predicted, cut, rejected, first = 0, 0, Counter[str](), list[Mapping[str, Any]]()
    path = rejects_path(config)
    with (
        output_file(path) as rejects,
        suppress(_NoPredictionError),
        output_file(config.output) as output,
        row_writer(output, kind=layout.output_format, columns=layout.columns, schema=layout.schema) as write,
    ):
        for chunk in chunks:
            write(chunk.content)
            rejects.write(chunk.rejects)
            predicted += chunk.predicted
            cut += chunk.cut
            rejected.update(json.loads(chunk.reasons))
            if len(first) < SHOWN_ROWS:
                first += json.loads(chunk.first)
        if not predicted:
            raise _NoPredictionError
    if not rejected:
        storage.delete(path)
    if cut:
        logger.warning("%d of %d %s", cut, predicted, TASKS[layout.task].predictor.truncated)
    return PredictionResult(predicted=predicted, rejected=dict(rejected), rejects_path=path, first=first[:SHOWN_ROWS])


class _ChunkSource(Datasource):
    """The unfinished chunks of one file. Each row is a chunk, so that Ray never splits one."""

    def __init__(self, path: str, *, finished: set[int]) -> None:
        self._path = path
        self._finished = finished

    def estimate_inmemory_data_size(self) -> int | None:
        """Return None: the size is unknown before the file is read."""
        return None

    def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
        """Return one task: compressed files are not seekable."""
        metadata = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(_reader(self._path, self._finished), metadata, _CHUNK_SCHEMA)]


def _reader(path: str, finished: set[int]) -> Callable[[], Iterator[pa.Table]]:
    def read() -> Iterator[pa.Table]:
        for chunk in read_chunks(path):
            if chunk.first_row not in finished:
                yield pa.Table.from_pylist([chunk._asdict()], schema=_CHUNK_SCHEMA)

    return read


class _ChunkPredictor:
    """Actor with the model, which is loaded with the first chunk: Ray does not pass on exceptions of a constructor."""

    def __init__(self, config: PredictConfig, layout: Layout, results: PartialResults) -> None:
        self._config = config
        self._layout = layout
        self._results = results

    @cached_property
    def _predictor(self) -> Predictor[Any]:
        return load_predictor(resolve_model(self._config.model), batch_size=self._config.batch_size)

    def __call__(self, batch: pa.Table) -> pa.Table:
        for chunk in batch.to_pylist():
            self._results.write_chunk(
                predict_chunk(Chunk(**chunk), predictor=self._predictor, layout=self._layout, config=self._config)
            )
        return batch.select(_DONE_COLUMNS)


def _predict_chunks(plan: Plan, results: PartialResults, *, finished: set[int]) -> Iterator[tuple[int, int]]:
    config = plan.config
    pool = find_pool(node_resources(), model_size=plan.model_size, wanted=config.workers, use_gpu=config.use_gpu)
    # The reader reserves no CPU: it would wait forever if the models took all of them.
    chunks = ray.data.read_datasource(_ChunkSource(config.input, finished=finished), override_num_blocks=1, num_cpus=0)
    predicted = map_with_retries(
        chunks,
        _ChunkPredictor,
        fn_constructor_args=(config, plan.layout, results),
        batch_size=1,
        compute=ActorPoolStrategy(min_size=1, max_size=pool.workers),
        num_cpus=1,
        num_gpus=pool.gpus,
    )
    predicted.context.target_max_block_size = 1  # byte: every chunk is a block, so that chunks run concurrently
    for chunk in predicted.iter_rows():
        yield chunk["first_row"], chunk["rows"]
