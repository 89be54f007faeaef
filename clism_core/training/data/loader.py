"""Loader that delivers each worker's part of every global batch by Ray Data, in the order given by `SampleOrder`.

A row of the data set is one worker's part of one step. Each block has the same number of steps, for one worker, and the
blocks of a run of steps are in order of rank. If order is preserved, an equal split therefore assigns them to the
workers in turn.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.data import DataIterator, Dataset

from clism_core.cluster.ray_data import configure_execution
from clism_core.training.data.indexed_rows import IndexedRows, Row
from clism_core.training.data.sampler import Integers, SampleOrder

INPUTS_PER_BLOCK = 256  # approximate block size: large enough for Ray, small enough for a fast start
MAX_BLOCKS = 10_000  # blocks are larger in long runs, because all of them are registered with Ray at the start
INGEST_CPUS = 0.25
"""CPUs of an actor that builds workers' parts."""


def ordered_dataset(
    data: "ray.ObjectRef[IndexedRows]", order: "ray.ObjectRef[SampleOrder]", *, steps: range, workers: int, share: int
) -> Dataset:
    """Return the data set of `steps` for `workers` workers with `share` inputs per step each.

    Its rows have the columns `step`, `rank`, `group_size` and `samples`, a list of the indexed rows with `ordinal` and
    `visit`; each `group_size` consecutive ones form an input.
    """
    inputs_per_block = max(INPUTS_PER_BLOCK, len(steps) * share * workers // MAX_BLOCKS)
    run_length = max(1, inputs_per_block // share)
    runs = [steps[first : first + run_length] for first in range(0, len(steps), run_length)]
    # Pass blocks: tasks that read or inspect tables need a whole CPU, which may not be available beside the workers.
    parts = [pa.table({"part": [part]}) for part in range(len(runs) * workers)]
    dataset = configure_execution(
        ray.data.from_blocks(parts).map_batches(
            _PartMaker,
            fn_constructor_args=(data, order, runs),
            fn_constructor_kwargs={"workers": workers},
            batch_size=1,
            num_cpus=INGEST_CPUS,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=4),
        )
    )
    dataset.context.execution_options.preserve_order = True
    return dataset


class _PartMaker:
    """Actor that looks up samples and builds workers' parts; it keeps the index and the current epochs in memory."""

    def __init__(
        self,
        data: "ray.ObjectRef[IndexedRows]",
        order: "ray.ObjectRef[SampleOrder]",
        runs: Sequence[range],
        *,
        workers: int,
    ):
        self.data: IndexedRows = ray.get(data)
        self.order: SampleOrder = ray.get(order)
        self.runs = runs
        self.workers = workers

    def __call__(self, batch: dict[str, Any]) -> pa.Table:
        """Return the block of one worker for one run of steps."""
        (part,) = batch["part"].tolist()
        run, rank = divmod(part, self.workers)
        return _make_part(self.data, self.order, self.runs[run], rank, self.workers)


def _make_part(data: IndexedRows, order: SampleOrder, steps: range, rank: int, workers: int) -> pa.Table:
    shares = [order.batch(step).part(rank, workers) for step in steps]
    ordinals = np.concatenate([ordinals.ravel() for ordinals, _ in shares])
    visits = np.concatenate([visits.ravel() for _, visits in shares])
    table = _take(data, ordinals).append_column("ordinal", pa.array(ordinals)).append_column("visit", pa.array(visits))
    ends = np.cumsum([0, *(share.size for share, _ in shares)]).astype(np.int32)
    samples = pa.ListArray.from_arrays(ends, table.to_struct_array().combine_chunks())
    columns = {
        "step": pa.array(list(steps), pa.int64()),
        "rank": pa.array([rank] * len(steps), pa.int64()),
        "group_size": pa.array([share.shape[1] for share, _ in shares], pa.int64()),
        "samples": samples,
    }
    return pa.table(columns)


def _take(data: IndexedRows, ordinals: Integers) -> pa.Table:
    """Return the rows with these ordinals, in this order, from all blocks."""
    block_numbers, row_numbers = data.block_numbers[ordinals], data.row_numbers[ordinals]
    needed = np.unique(block_numbers)
    blocks = ray.get([data.blocks[number] for number in needed])
    order = np.argsort(block_numbers, kind="stable")
    parts = [
        block.take(pa.array(row_numbers[order][block_numbers[order] == number]))
        for number, block in zip(needed, blocks, strict=True)
    ]
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return pa.concat_tables(parts).take(pa.array(inverse))


def sample_ids(
    data: "ray.ObjectRef[IndexedRows]",
    order: "ray.ObjectRef[SampleOrder]",
    step: int,
    *,
    worker: int = 0,
    workers: int = 1,
) -> list[str]:
    """Return the ids of the samples of a step, those of one worker of several or of all."""
    indexed: IndexedRows = ray.get(data)
    sample_order: SampleOrder = ray.get(order)
    rows = _take(indexed, sample_order.batch(step).part(worker, workers).ordinals_GK.ravel())
    ids: list[str] = rows["sample_id"].to_pylist()
    return ids


def split_among_workers(dataset: Dataset, workers: int) -> list[DataIterator]:
    """Return one iterator per worker, by rank."""
    return dataset.streaming_split(workers, equal=True)


def read_steps(shard: DataIterator, steps: range, rank: int) -> Iterator[list[list[Row]]]:
    """Yield this worker's inputs of each step: groups of rows, with `ordinal` and `visit`.

    Raises:
        RuntimeError: if a part is not the expected one; training on it would be wrong.
    """
    rows = shard.iter_batches(batch_size=1, batch_format="pyarrow", prefetch_batches=2)
    for step, table in zip(steps, rows, strict=True):
        assert isinstance(table, pa.Table)
        row = table.to_pylist()[0]
        if (row["step"], row["rank"]) != (step, rank):
            raise RuntimeError(
                f"worker {rank} expected step {step}, but received step {row['step']} of worker {row['rank']}"
            )
        samples, size = row["samples"], row["group_size"]
        yield [samples[first : first + size] for first in range(0, len(samples), size)]
