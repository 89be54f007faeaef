"""Rows in the object store, numbered: where each of them stands."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from clism_core.training.data.sampler import Integers

if TYPE_CHECKING:
    import ray  # prediction needs `Row`, and has to do without Ray

Row = dict[str, Any]
"""A row of such a table; when it is drawn, with `ordinal` and `visit`: how often it has been drawn before."""


@dataclass(frozen=True)
class IndexedRows:
    """Tables in the object store and, for each of N rows by its number (its ordinal), where it stands in them."""

    blocks: "list[ray.ObjectRef[pa.Table]]"
    block_numbers: Integers  # [N] by ordinal
    row_numbers: Integers  # [N]
    lengths: Integers  # [N] tokens

    def __len__(self) -> int:
        return len(self.lengths)
