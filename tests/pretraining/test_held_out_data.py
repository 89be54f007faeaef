"""Held-out samples without Ray: by the stored hash of the source, or by one that is computed where none is stored."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pickled import pickled_column
from tiny import write_prepared

from clism_core.preparation.source_hash import SOURCE_HASH, add_source_hash, source_hashes
from clism_core.pretraining.held_out_data import (
    HELD_OUT_COLUMNS,
    HeldOutConfig,
    HeldOutSentences,
    _held_out_candidates,
    _read_chosen,
)
from clism_core.pretraining.sample_files import read_file
from clism_core.utils.errors import InputError

NONE = np.empty(0, dtype=np.uint64)


def block(file: Path) -> pa.Table:
    return pa.table({"file": [str(file)]})


def candidates(file: Path, config: HeldOutConfig, origin_hashes: list[int] | None = None) -> list[dict[str, str]]:
    sentences = HeldOutSentences(config, np.array(origin_hashes or [], dtype=np.uint64))
    rows: list[dict[str, str]] = pa.concat_tables(_held_out_candidates(block(file), sentences, "set/")).to_pylist()
    return rows


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a file of samples of an earlier version, without hashes."""
    return write_prepared(tmp_path / "data", languages=("de",)) / "samples" / "0.parquet"


def test_source_hash_is_of_the_normalised_sentence() -> None:
    expected = int.from_bytes(hashlib.blake2b(b"anna was in rome.", digest_size=8).digest(), "big")
    assert source_hashes(["Anna was in Rome.", "ANNA  was\tin Rome. "]).tolist() == [expected] * 2


def test_stored_and_computed_hashes_are_equal(old: Path, tmp_path: Path) -> None:
    pq.write_table(add_source_hash(pq.read_table(old)), tmp_path / "new.parquet")
    columns = ["sample_id", SOURCE_HASH]
    one, other = (pa.concat_tables(read_file(block(file), columns)) for file in (old, tmp_path / "new.parquet"))
    assert one.equals(other)
    assert one.column_names == columns
    assert one[SOURCE_HASH].to_pylist() == source_hashes(pq.read_table(old)["source"].to_pylist()).tolist()


def test_stored_hashes_determine_the_held_out_samples(old: Path, tmp_path: Path) -> None:
    table = pq.read_table(old)
    hashes = [2**64 - 1, 2**63 - 1, 5, *[2**64 - 1] * (table.num_rows - 3)]
    table = table.drop_columns(["source"]).append_column(SOURCE_HASH, pa.array(hashes, pa.uint64()))
    pq.write_table(table, tmp_path / "x.parquet")
    ids = [f"set/{name}" for name in table["sample_id"].to_pylist()]

    def held_out(config: HeldOutConfig, origin_hashes: list[int] | None = None) -> list[str]:
        return sorted(row["sample_id"] for row in candidates(tmp_path / "x.parquet", config, origin_hashes))

    assert held_out(HeldOutConfig(fraction=0.5)) == [ids[1], ids[2]]
    assert held_out(HeldOutConfig(fraction=0.1)) == [ids[2]]
    assert held_out(HeldOutConfig(fraction=0.0), [2**63 - 1]) == [ids[1]]
    assert held_out(HeldOutConfig(fraction=0.0)) == []


def test_candidates_of_a_file_have_the_smallest_id_hashes(old: Path) -> None:
    everything = candidates(old, HeldOutConfig(fraction=0.999999))
    assert len(everything) == 14
    by_hash = sorted(everything, key=lambda row: hashlib.blake2b(row["sample_id"].encode(), digest_size=8).digest())
    found = candidates(old, HeldOutConfig(fraction=0.999999, max_samples=3))
    assert found == by_hash[:3]
    assert {row["file"] for row in found} == {str(old)}


def test_selected_samples_are_read_with_all_columns(old: Path) -> None:
    first, _, third = pq.read_table(old)["sample_id"].to_pylist()[:3]
    ids = pa.array([f"set/{third}", f"set/{first}", "other/x"])
    rows = pa.concat_tables(_read_chosen(block(old), ids, "set/"))
    assert rows["sample_id"].to_pylist() == [f"set/{first}", f"set/{third}"]
    assert rows.column_names == HELD_OUT_COLUMNS


@pytest.mark.parametrize("column", ["spans", "more"])
def test_columns_that_would_be_unpickled_are_refused(old: Path, tmp_path: Path, column: str) -> None:
    table = pq.read_table(old)
    objects = pickled_column(tmp_path / "touched", table.num_rows)
    table = table.drop_columns([column] if column in table.column_names else []).append_column(column, objects)
    pq.write_table(table, old)
    with pytest.raises(InputError, match=rf"0\.parquet: the column '{column}' has the extension type"):
        list(read_file(block(old), ["sample_id", "spans"]))
    assert not (tmp_path / "touched").exists()
