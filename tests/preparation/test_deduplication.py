from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq
import pytest

from clism_core.preparation.deduplication import draw_sample, find_duplicates
from clism_core.preparation.schema import ROW_SCHEMA


def rows(tmp_path: Path, *files: list[tuple[str, str | None]]) -> pds.Dataset:
    """Return rows of (id, digest), read from one file per argument."""
    paths = []
    tmp_path.mkdir(exist_ok=True)
    for number, given in enumerate(files):
        records: list[dict[str, Any]] = [
            {
                "sample_id": identity,
                "digest": digest and digest.encode().rjust(16),
                "source": f"s {digest}",
                "target": f"t {digest}",
                "source_words": [{"start": 0, "end": 1}],
                "target_words": [{"start": 2, "end": 3}],
            }
            for identity, digest in given
        ]
        paths.append(str(tmp_path / f"{number}.parquet"))
        pq.write_table(pa.Table.from_pylist(records, schema=ROW_SCHEMA), paths[-1])
    return pds.dataset(paths, schema=ROW_SCHEMA)


def test_first_of_equal_rows_is_not_a_duplicate(tmp_path: Path) -> None:
    dataset = rows(tmp_path, [("a/1", "x"), ("a/2", "y"), ("a/3", "x")], [("a/4", "z"), ("a/5", "y"), ("a/6", "x")])
    assert pq.read_table(pa.BufferReader(find_duplicates(dataset))).to_pydict() == {"sample_id": ["a/3", "a/5", "a/6"]}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([("a/1", "x"), ("a/2", "y")], id="all-different"),
        pytest.param([("a/1", None), ("a/2", None)], id="rejected-rows-are-not-compared"),
        pytest.param([], id="no-rows"),
    ],
)
def test_no_duplicates(tmp_path: Path, given: list[tuple[str, str | None]]) -> None:
    assert pq.read_table(pa.BufferReader(find_duplicates(rows(tmp_path, given)))).num_rows == 0


def test_sample_has_the_smallest_digests_without_duplicates(tmp_path: Path) -> None:
    given = [("a/1", "d"), ("a/2", "b"), ("a/3", None), ("a/4", "c"), ("a/5", "b"), ("a/6", "a"), ("a/7", "e")]
    one, two = rows(tmp_path / "one", given), rows(tmp_path / "two", given[::-1][:3], given[::-1][3:])
    for dataset in (one, two):
        # a, b, b and c are the four smallest
        assert draw_sample(dataset, 4)["source"].to_pylist() == ["s a", "s b", "s c"]
    assert draw_sample(one, 100)["target"].to_pylist() == ["t a", "t b", "t c", "t d", "t e"]
    assert draw_sample(one, 1).to_pylist() == [
        {
            "source": "s a",
            "target": "t a",
            "source_words": [{"start": 0, "end": 1}],
            "target_words": [{"start": 2, "end": 3}],
        }
    ]
