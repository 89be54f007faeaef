"""Sample files as training reads them: a bad file or row is one error that names it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import write_prepared

from clism_core.pretraining.dataset import _check_unique
from clism_core.pretraining.encoding import SAMPLE_COLUMNS
from clism_core.pretraining.held_out_data import HELD_OUT_COLUMNS, with_words
from clism_core.pretraining.mixture import DataSetConfig, check_existing, open_data_sets
from clism_core.pretraining.sample_files import read_file
from clism_core.utils.errors import InputError

ROWS = 30


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("clism_core.pretraining.sample_files.ROWS_AT_ONCE", 8)
    return write_prepared(tmp_path / "data", samples=3 * ROWS, languages=("de",)) / "samples" / "0.parquet"


def read(file: Path, columns: list[str] = SAMPLE_COLUMNS) -> pa.Table:
    return pa.concat_tables(read_file(pa.table({"file": [str(file)]}), columns))


def change_row(file: Path, number: int, **values: Any) -> None:
    table = pq.read_table(file)
    rows = table.to_pylist()
    rows[number - 1] |= values
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)


def test_a_file_is_read_whole(file: Path) -> None:
    assert read(file).num_rows == ROWS


@pytest.mark.parametrize(
    ("number", "values", "message"),
    [
        pytest.param(1, {"source": None}, "row 1: source is null", id="first"),
        pytest.param(17, {"spans": None}, "row 17: spans is null", id="third-batch"),
        pytest.param(30, {"sample_id": None}, "row 30: sample_id is null", id="last"),
        pytest.param(9, {"target": "Kurz"}, "row 9: a span is empty or outside of the target", id="offsets"),
    ],
)
def test_a_bad_row_is_named(file: Path, number: int, values: dict[str, Any], message: str) -> None:
    change_row(file, number, **values)
    with pytest.raises(InputError) as raised:
        read(file)
    assert str(raised.value).startswith(f"{file}, {message}; ")
    assert "prepare --verify" in str(raised.value)


def test_columns_that_are_not_read_are_not_checked(file: Path) -> None:
    change_row(file, 3, alignment=None)
    assert read(file).num_rows == ROWS
    with pytest.raises(InputError, match="row 3: alignment is null"):
        read(file, HELD_OUT_COLUMNS)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-50])


def damage_pages(file: Path) -> None:
    """Overwrite the data, not the footer: the file opens, and fails while it is read."""
    content = file.read_bytes()
    file.write_bytes(content[:4] + b"\xff" * (len(content) // 2) + content[4 + len(content) // 2 :])


def number_sources(file: Path) -> None:
    table = pq.read_table(file)
    place = table.schema.get_field_index("source")
    pq.write_table(table.set_column(place, "source", pa.array(range(table.num_rows))), file)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(truncate, "cannot be read as Parquet", id="truncated"),
        pytest.param(damage_pages, "cannot be read as Parquet", id="damaged-pages"),
        pytest.param(lambda file: file.write_bytes(b""), "cannot be read as Parquet", id="empty"),
        pytest.param(lambda file: file.unlink(), "cannot be read as Parquet", id="lost-meanwhile"),
        pytest.param(number_sources, "column source is int64 instead of string", id="type"),
    ],
)
def test_a_bad_file_is_named(file: Path, damage: Callable[[Path], Any], message: str) -> None:
    damage(file)
    with pytest.raises(InputError) as raised:
        read(file)
    assert str(raised.value).startswith(f"{file}: {message}")


def test_held_out_rows_without_words_are_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    word = [{"start": 0, "end": 4}]
    full = {"sample_id": "a", "source_words": word, "target_words": word}
    rows: list[dict[str, Any]] = [full, full | {"target_words": []}, full | {"source_words": None, "sample_id": "c"}]
    assert with_words(rows, []) == [full]
    assert "2 of 3 held-out samples have no words, such as a; they are left out" in caplog.text
    with pytest.raises(InputError, match="2 of 2 held-out samples have no words"):
        with_words(rows[1:], [])


def test_a_sample_that_occurs_twice_is_an_error() -> None:
    _check_unique(pa.chunked_array([["a", "b"], ["c"]]))
    with pytest.raises(InputError, match=r"2 samples occur more than once, such as (a|c)"):
        _check_unique(pa.chunked_array([["a", "b", "c"], ["c", "a", "a"]]))


def test_a_lost_file_is_found_before_training(file: Path) -> None:
    data = [DataSetConfig(str(file.parents[1]))]
    open_data_sets(data)
    file.unlink()
    for check in (open_data_sets, check_existing):
        with pytest.raises(InputError, match=r"--data .*: samples/0\.parquet is missing"):
            check(data)
    check_existing([DataSetConfig(str(file.parents[1] / "nowhere"))])
