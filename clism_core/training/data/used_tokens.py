"""Which tokens occur in indexed rows, found on the cluster where the rows are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import ray

from clism_core.training.data.indexed_rows import IndexedRows
from clism_core.training.data.sampler import Integers

Flags = npt.NDArray[np.bool_]
TASK_CPUS = 0.5
"""CPUs of a task that reads a block: a fraction, for machines with one core."""


def find_used_tokens(rows: IndexedRows, columns: Sequence[str], *, size: int) -> Flags:
    """Return which tokens [V] occur in the indexed rows, whatever the blocks they are in.

    Args:
        rows: indexed rows.
        columns: columns with lists of token ids.
        size: number V of tokens.
    """
    order = np.argsort(rows.block_numbers, kind="stable")
    ends = np.searchsorted(rows.block_numbers[order], np.arange(1, len(rows.blocks)))
    parts = np.split(rows.row_numbers[order], ends)
    packed = [
        _used_in_block.remote(block, part, columns, size)
        for block, part in zip(rows.blocks, parts, strict=True)
        if len(part)
    ]
    used = np.zeros(size, dtype=np.bool_)
    for bits in ray.get(packed):
        used |= np.unpackbits(bits, count=size).view(np.bool_)
    return used


def used_in_table(table: pa.Table, columns: Sequence[str], *, size: int) -> Flags:
    """Return which tokens [V] occur in the columns of a table."""
    used = np.zeros(size, dtype=np.bool_)
    for column in columns:
        used[pc.list_flatten(table[column]).to_numpy()] = True
    return used


# Outside the placement group of a Ray Tune trial, which has no CPUs for it.
@ray.remote(num_cpus=TASK_CPUS, scheduling_strategy="DEFAULT")
def _used_in_block(block: pa.Table, rows: Integers, columns: Sequence[str], size: int) -> npt.NDArray[np.uint8]:
    """Return the bits of the tokens that occur in some rows of a block."""
    return np.packbits(used_in_table(block.select(list(columns)).take(rows), columns, size=size))
