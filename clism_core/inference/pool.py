"""Prediction of all test sets in one pass with Ray Data, and the size of the worker pool."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, Dataset

from clism_core.cluster.nodes import node_resources
from clism_core.cluster.ray_data import map_with_retries
from clism_core.inference.actor import RECORDS_SCHEMA, Answerer
from clism_core.inference.models import EvaluatedModel
from clism_core.tasks.registry import TASKS
from clism_core.tasks.test_data import RETRIEVAL, TestSet, title
from clism_core.utils.progress import Progress

logger = logging.getLogger(__name__)

RECORDS_PER_BLOCK = 64
"""Number of records that are predicted together: enough to sort by length, few enough to show progress. It does not
depend on the number of workers, so the predictions do not, either."""
_MEMORY_PER_SIZE = 2  # memory of a model replica with its inputs, relative to the size of its files


class Pool(NamedTuple):
    """Workers of an evaluation."""

    workers: int
    gpus: int
    """GPUs per worker, 0 or 1."""


def predict(
    model: EvaluatedModel,
    test_sets: Sequence[TestSet],
    *,
    batch_size: int,
    workers: int | None,
    use_gpu: bool | None,
) -> Iterator[tuple[TestSet, list[Any]]]:
    """Yield each test set, as soon as it is complete, with the model's outputs for its records.

    Args:
        model: model that every worker loads.
        test_sets: test sets to predict; their records are distributed among the workers.
        batch_size: maximum number of inputs in a forward pass.
        workers: number of workers; None: as many as the cluster has room for.
        use_gpu: whether to use GPUs; None: if the cluster currently has any.

    Raises:
        InputError: if a node cannot find or load the model.
    """
    blocks = [block for test_set in test_sets for block in record_blocks(test_set)]
    pool = find_pool(node_resources(), model_size=model.size, wanted=workers, use_gpu=use_gpu)
    pool = pool._replace(workers=min(pool.workers, len(blocks)))
    logger.info(
        "predicting %s records of %d test sets on %d %s",
        *(f"{sum(block.num_rows for block in blocks):,}", len(test_sets), pool.workers),
        "GPUs" if pool.gpus else "CPUs",
    )
    outputs = _apply(ray.data.from_blocks(blocks), model, batch_size=batch_size, pool=pool)
    return collect(test_sets, outputs.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))


def record_blocks(test_set: TestSet) -> Iterator[pa.Table]:
    """Yield the records of a test set as tables of `RECORDS_SCHEMA`."""
    records = test_set.records()
    for first in range(0, len(records), RECORDS_PER_BLOCK):
        rows = [
            {
                "dataset": test_set.dataset,
                "language": test_set.language,
                "number": number,
                "kind": test_set.kind,
                "record": json.dumps(record, ensure_ascii=False),  # escapes take six bytes per letter instead of two
            }
            for number, record in enumerate(records[first : first + RECORDS_PER_BLOCK], start=first)
        ]
        yield pa.Table.from_pylist(rows, schema=RECORDS_SCHEMA)


def collect(test_sets: Iterable[TestSet], batches: Iterable[pa.Table]) -> Iterator[tuple[TestSet, list[Any]]]:
    """Yield each test set, once `batches` has yielded all of its outputs, with the outputs in record order.

    Logs the number of truncated records.

    Args:
        test_sets: all test sets with outputs in `batches`.
        batches: rows of `OUTPUTS_SCHEMA`, in any order.
    """
    pending = {title(each): (each, len(each.records())) for each in test_sets}
    received: dict[str, dict[int, Any]] = {name: {} for name in pending}
    cut = Counter[str]()
    progress = Progress("predicting", total=sum(records for _, records in pending.values()))
    for batch in batches:
        progress.add(batch.num_rows)
        vectors = batch["vector"].combine_chunks()
        columns = ("dataset", "language", "number", "output", "cut")
        rows = zip(*(batch[name].to_pylist() for name in columns), strict=True)
        touched = set()
        for place, (dataset, language, number, output, is_cut) in enumerate(rows):
            name = f"{dataset}/{language}"
            touched.add(name)
            cut[name] += bool(is_cut)
            received[name][number] = vectors[place].values.to_numpy() if output is None else json.loads(output)
        for name in sorted(touched):
            test_set, records = pending[name]
            if len(received[name]) == records:
                outputs = received.pop(name)
                if cut[name]:
                    logger.warning("%s: %d of %d %s", name, cut[name], records, _truncated(test_set))
                yield test_set, [outputs[number] for number in range(records)]


def _truncated(test_set: TestSet) -> str:
    if test_set.kind == RETRIEVAL:
        return "sentences exceed the maximum length of the model and are truncated"
    return TASKS[test_set.kind].predictor.truncated


def find_pool(
    nodes: Sequence[Mapping[str, float]], *, model_size: int, wanted: int | None, use_gpu: bool | None
) -> Pool:
    """Return the size of the worker pool: one worker per GPU, or as many as CPUs and memory allow; at least one.

    Args:
        nodes: resources of each node, with Ray's names.
        model_size: size of the model in bytes.
        wanted: configured number of workers, which takes precedence.
        use_gpu: configured use of GPUs: True even if GPU nodes have not joined yet; None: if there are any.
    """
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    if gpus if use_gpu is None else use_gpu:
        return Pool(wanted or max(1, gpus), 1)
    room = sum(
        min(int(node.get("CPU", 0)), int(node.get("memory", 0) // max(1, _MEMORY_PER_SIZE * model_size)))
        for node in nodes
    )
    return Pool(wanted or max(1, room), 0)


def _apply(records: Dataset, model: EvaluatedModel, *, batch_size: int, pool: Pool) -> Dataset:
    return map_with_retries(
        records,
        Answerer,
        batch_size=None,
        fn_constructor_args=(model.name,),
        fn_constructor_kwargs={"batch_size": batch_size},
        num_cpus=1,
        num_gpus=pool.gpus,
        compute=ActorPoolStrategy(min_size=1, initial_size=pool.workers, max_size=pool.workers),
    )
