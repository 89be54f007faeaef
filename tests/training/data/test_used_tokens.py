from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clism_core.training.data import used_tokens
from clism_core.training.data.indexed_rows import IndexedRows
from clism_core.training.data.used_tokens import find_used_tokens

SOURCES, TARGETS = [[1, 2], [3], [], [4, 4]], [[9], [], [10, 11], [2]]


def table(rows: list[int]) -> pa.Table:
    columns = {"source": [SOURCES[row] for row in rows], "target": [TARGETS[row] for row in rows]}
    return pa.table({name: pa.array(values, pa.list_(pa.int32())) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("blocks", "chosen", "expected"),
    [
        pytest.param([[0, 1, 2, 3]], [0, 1, 2, 3], {1, 2, 3, 4, 9, 10, 11}, id="one block"),
        pytest.param([[3, 1], [2], [0]], [0, 1, 2, 3], {1, 2, 3, 4, 9, 10, 11}, id="other blocks"),
        pytest.param([[3, 1], [2], [0]], [2, 3], {2, 4, 10, 11}, id="some rows"),
        pytest.param([[3, 1], [2], [0]], [1], {3}, id="empty lists"),
    ],
)
def test_tokens_do_not_depend_on_the_blocks(
    monkeypatch: pytest.MonkeyPatch, blocks: list[list[int]], chosen: list[int], expected: set[int]
) -> None:
    function: Any = used_tokens._used_in_block
    monkeypatch.setattr(used_tokens, "_used_in_block", SimpleNamespace(remote=function._function))
    monkeypatch.setattr("ray.get", lambda values: values)
    places = {row: (number, at) for number, rows in enumerate(blocks) for at, row in enumerate(rows)}
    tables: Any = [table(rows) for rows in blocks]
    rows = IndexedRows(
        blocks=tables,
        block_numbers=np.array([places[row][0] for row in chosen]),
        row_numbers=np.array([places[row][1] for row in chosen]),
        lengths=np.ones(len(chosen), dtype=np.int64),
    )
    used = find_used_tokens(rows, ("source", "target"), size=13)
    assert used.shape == (13,)
    assert set(np.flatnonzero(used)) == expected
