"""Files of prepared data against the manifest, without reading rows."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny import write_prepared

from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.integrity import check_samples
from clism_core.preparation.manifest import read_manifest
from clism_core.preparation.prepare import Preparation, find_finished
from clism_core.utils.errors import InputError


def check(folder: Path) -> None:
    check_samples(str(folder), read_manifest(str(folder)))


def without_list(folder: Path) -> Path:
    """Make the manifest one of an earlier version, which does not list files."""
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def lose(folder: Path) -> None:
    (folder / "samples" / "1.parquet").unlink()


def lose_all(folder: Path) -> None:
    for file in (folder / "samples").iterdir():
        file.unlink()


def add(folder: Path) -> None:
    (folder / "samples" / "copy.parquet").write_bytes((folder / "samples" / "0.parquet").read_bytes())


def add_below(folder: Path) -> None:
    (folder / "samples" / "old").mkdir()
    (folder / "samples" / "old" / ".x.parquet").write_bytes((folder / "samples" / "0.parquet").read_bytes())


def truncate(folder: Path) -> None:
    content = (folder / "samples" / "2.parquet").read_bytes()
    (folder / "samples" / "2.parquet").write_bytes(content[:-100])


def empty(folder: Path) -> None:
    (folder / "samples" / "2.parquet").write_bytes(b"")


def rewrite(folder: Path) -> None:
    table = pq.read_table(folder / "samples" / "0.parquet")
    pq.write_table(table.slice(1), folder / "samples" / "0.parquet")


CHANGES = [
    pytest.param(lose, "samples/1.parquet is missing", id="lost"),
    pytest.param(lose_all, "samples/0.parquet is missing.*1.parquet is missing.*2.parquet is missing", id="all-lost"),
    pytest.param(add, "samples/copy.parquet is not among the files of the preparation", id="added"),
    pytest.param(add_below, "samples/old/.x.parquet is not among", id="added-hidden-below"),
    pytest.param(truncate, r"samples/2.parquet has [\d,]+ bytes instead of [\d,]+", id="truncated"),
    pytest.param(empty, "samples/2.parquet has 0 bytes instead of", id="empty"),
    pytest.param(rewrite, r"samples/0.parquet has [\d,]+ bytes instead of", id="changed"),
]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    return write_prepared(tmp_path / "data")


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_a_file_that_differs_is_named(prepared: Path, change: Callable[[Path], None], message: str) -> None:
    check(prepared)
    change(prepared)
    with pytest.raises(InputError, match=message) as raised:
        check(prepared)
    assert str(raised.value).startswith(f"{prepared} differs from its manifest.json: ")


def test_a_file_of_equal_size_with_other_rows_is_named(prepared: Path) -> None:
    manifest = json.loads((prepared / "manifest.json").read_text())
    assert manifest["files"]["samples/1.parquet"]["rows"] == 27
    manifest["files"]["samples/1.parquet"]["rows"] = 28
    (prepared / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"samples/1\.parquet has 27 rows instead of 28"):
        check(prepared)


def test_a_damaged_footer_is_named(prepared: Path) -> None:
    file = prepared / "samples" / "1.parquet"
    file.write_bytes(file.read_bytes()[:-4] + b"XXXX")
    with pytest.raises(InputError, match=r"samples/1\.parquet: cannot be read as Parquet"):
        check(prepared)


@pytest.mark.parametrize("change", [lose, add, rewrite])
def test_an_earlier_manifest_is_compared_by_its_total(prepared: Path, change: Callable[[Path], None]) -> None:
    check(without_list(prepared))
    change(prepared)
    with pytest.raises(InputError, match=r"samples instead of 80: files are missing, added or changed \(an earlier"):
        check(prepared)


def test_a_finished_preparation_with_a_lost_file_is_not_reported_as_done(prepared: Path) -> None:
    config = PrepareConfig(corpora=[], output=str(prepared))
    preparation = Preparation(config, versions={}, inputs=[], fingerprint="0123456789abcdef")
    assert find_finished(preparation) == read_manifest(str(prepared))
    lose(prepared)
    with pytest.raises(InputError, match=r"samples/1\.parquet is missing"):
        find_finished(preparation)


def test_other_files_are_ignored(prepared: Path) -> None:
    (prepared / "samples" / "notes.txt").touch()
    (prepared / "samples" / ".0.parquet.1f3a").touch()  # of a process that was killed while writing
    check(prepared)


def test_many_differences_are_summarised(tmp_path: Path) -> None:
    prepared = write_prepared(tmp_path / "data", samples=2)
    for number in range(30):
        (prepared / "samples" / f"new-{number:02d}.parquet").touch()
    with pytest.raises(InputError, match=re.escape("new-19.parquet is not among")) as raised:
        check(prepared)
    assert "new-20.parquet" not in str(raised.value)
    assert "; and 10 more files; restore" in str(raised.value)
