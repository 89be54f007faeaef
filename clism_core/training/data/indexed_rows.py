"""Index of rows in the object store."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from clism_core.training.data.sampler import Integers

if TYPE_CHECKING:
    import ray  # prediction needs `Row` and must work without Ray

Row = dict[str, Any]
"""Row of an indexed table; once sampled, with its `ordinal` and its `visit`, the number of times it was sampled
before."""


@dataclass(frozen=True)
class IndexedRows:
    """Tables in the object store, with the block and row number of each of N rows by its index (its ordinal).

    The tables have a column `sample_id`, by which messages name rows.
    """

    blocks: "list[ray.ObjectRef[pa.Table]]"
    block_numbers: Integers  # [N] block of each row, by ordinal
    row_numbers: Integers  # [N] row within the block
    lengths: Integers  # [N] length in tokens

    def __len__(self) -> int:
        return len(self.lengths)
