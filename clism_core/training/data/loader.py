"""Loader of one worker's part of every global batch, in the order given by `SampleOrder`.

The order is a pure function of the step, and the rows are in Ray's object store: each worker takes its own, and none
waits for another, or for a process that deals out rows.
"""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pyarrow as pa
import ray

from clism_core.training.data.indexed_rows import IndexedRows, Row
from clism_core.training.data.sampler import Integers, SampleOrder

ItemT = TypeVar("ItemT")
STEPS_AHEAD = 2
"""Number of steps whose batches are made in advance."""


def read_step(data: IndexedRows, order: SampleOrder, step: int, *, rank: int, workers: int) -> list[list[Row]]:
    """Return the inputs of one worker at a step: groups of rows, with their `ordinal` and `visit`.

    Args:
        data: index of the rows, whose blocks are fetched from the object store.
        order: assignment of rows to steps.
        step: index of the step.
        rank: number of the worker.
        workers: number of workers.
    """
    part = order.batch(step).part(rank, workers)
    ordinals, visits = part.ordinals_GK.ravel(), part.visits_GK.ravel()
    table = _take(data, ordinals).append_column("ordinal", pa.array(ordinals)).append_column("visit", pa.array(visits))
    rows, size = table.to_pylist(), part.ordinals_GK.shape[1]
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def made_ahead(make: Callable[[int], ItemT], steps: range) -> Generator[ItemT]:
    """Yield `make(step)` for each step; the next ones are made in another thread meanwhile.

    An error is raised where its own step is due.
    """
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader")
    pending = deque(thread.submit(make, step) for step in steps[:STEPS_AHEAD])
    try:
        for number in range(len(steps)):
            item = pending.popleft().result()
            pending.extend(thread.submit(make, step) for step in steps[number + STEPS_AHEAD :][:1])
            yield item
    finally:
        thread.shutdown(wait=False, cancel_futures=True)


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
