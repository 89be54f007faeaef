"""The predictions of a model for all test sets at once, by Ray Data."""

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
from clism_core.tasks.test_data import TestSet, title
from clism_core.utils.progress import Progress

logger = logging.getLogger(__name__)

RECORDS_PER_BLOCK = 64
"""Records that are predicted together: many enough to be sorted by length, few enough to show progress. It does not
depend on the number of workers, and so neither do the predictions."""
_MEMORY_PER_SIZE = 2  # what a copy of a model takes with its inputs, by the size of its files


class Pool(NamedTuple):
    """The workers of an evaluation."""

    workers: int
    gpus: int
    """Of each worker, 0 or 1."""


def predict(
    model: EvaluatedModel,
    test_sets: Sequence[TestSet],
    *,
    batch_size: int,
    workers: int | None,
    use_gpu: bool | None,
) -> Iterator[tuple[TestSet, list[Any]]]:
    """Yield each test set, as soon as it is complete, with what the model makes of each of its records.

    Args:
        model: loaded by every worker.
        test_sets: whose records are predicted; all of them are shared out among the workers.
        batch_size: inputs of a forward pass at most.
        workers: None for as many as there is room for.
        use_gpu: None for GPUs if the cluster has any now.

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
                "record": json.dumps(record, ensure_ascii=False),  # escapes would take six bytes a letter, not two
            }
            for number, record in enumerate(records[first : first + RECORDS_PER_BLOCK], start=first)
        ]
        yield pa.Table.from_pylist(rows, schema=RECORDS_SCHEMA)


def collect(test_sets: Iterable[TestSet], batches: Iterable[pa.Table]) -> Iterator[tuple[TestSet, list[Any]]]:
    """Yield each test set, once all of its outputs are among those of `batches`, with them in their order.

    Says of how many questions or sentences the model has not seen the end.

    Args:
        test_sets: all that are to come.
        batches: rows of `OUTPUTS_SCHEMA`, in any order.
    """
    waiting = {title(each): (each, len(each.records())) for each in test_sets}
    found: dict[str, dict[int, Any]] = {name: {} for name in waiting}
    cut = Counter[str]()
    progress = Progress("predicting", total=sum(records for _, records in waiting.values()))
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
            found[name][number] = vectors[place].values.to_numpy() if output is None else json.loads(output)
        for name in sorted(touched):
            test_set, records = waiting[name]
            if len(found[name]) == records:
                outputs = found.pop(name)
                if cut[name]:
                    logger.warning(
                        "%s: %d of %d questions or sentences are longer than the model takes, and lose their end",
                        *(name, cut[name], records),
                    )
                yield test_set, [outputs[number] for number in range(records)]


def find_pool(
    nodes: Sequence[Mapping[str, float]], *, model_size: int, wanted: int | None, use_gpu: bool | None
) -> Pool:
    """Return how many workers there are to be: one a GPU, or as many as CPUs and memory allow; at least one.

    Args:
        nodes: what each has, in Ray's words.
        model_size: in bytes.
        wanted: by the user, who knows better.
        use_gpu: likewise: True where nodes with GPUs are yet to come; None for GPUs if there are any.
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
