"""Verification of prepared data: every problem of files and rows is reported, with file and row."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prepare import VERIFY, main

from clism_core.command_line import EXIT_BAD_INPUT, EXIT_DONE, run_job
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.manifest import ListedFile, Manifest, content_digest, finish_output, pair_counts
from clism_core.preparation.sample_stage import write_shard
from clism_core.preparation.schema import ROW_SCHEMA
from clism_core.preparation.source_hash import SAMPLE_FILE_SCHEMA
from clism_core.preparation.statistics import BlockStatistics, merge_statistics
from clism_core.preparation.verification import verify
from clism_core.utils.errors import InputError

SPAN = {"source_start": 0, "source_end": 4, "target_start": 0, "target_end": 4, "label": "PERSON"}
WORDS = [{"start": 0, "end": 4}, {"start": 5, "end": 8}]
FIRST, SECOND, OTHER = "en-de-00-000000001", "en-de-00-000000007", "en-ar-01-000000001"


def row(pair: str, number: int, *, reason: str | None = None) -> dict[str, Any]:
    return {
        "sample_id": f"{pair}/00/{number:09d}",
        "source_lang": "en",
        "target_lang": pair[3:],
        "source": f"Anna has {number}",
        "target": f"Anna hat {number}",
        "spans": [SPAN],
        "source_words": WORDS,
        "target_words": WORDS,
        "alignment": "0-0 1-1",
        "input": "c.tsv",
        "line": number,
        "reason": reason,
    }


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Write two shards of one language pair, one with a reject, and a shard of another pair without samples."""
    folder = tmp_path / "data"
    files: dict[str, ListedFile] = {}
    statistics: dict[str, list[BlockStatistics]] = {}
    shards = {
        FIRST: [*(row("en-de", number) for number in range(1, 6)), row("en-de", 6, reason="no_span")],
        SECOND: [row("en-de", number) for number in range(7, 10)],
        OTHER: [row("en-ar", 1, reason="no_answer")],
    }
    for name, rows in shards.items():
        made = write_shard(pa.Table.from_pylist(rows, schema=ROW_SCHEMA), name, str(folder))
        files |= made["files"]
        statistics.setdefault(name[:5], []).append(made["statistics"])
    blocks = {pair: merge_statistics(parts) for pair, parts in statistics.items()}
    finish_output(
        str(folder),
        Manifest(
            samples=8,
            rejects=2,
            pairs={pair: pair_counts(block, beyond_cap=0) for pair, block in blocks.items()},
            config={},
            versions={},
            fingerprint="ab",
            content=content_digest(files, shards),
            files=files,
        ),
    )
    return folder


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def rewrite(folder: Path, name: str, change: Callable[[list[dict[str, Any]]], Any], *, part: str = "samples") -> None:
    """Change the rows of a file, and list the file as it is now."""
    file = folder / part / f"{name}.parquet"
    schema, rows = pq.read_schema(file), pq.read_table(file).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    content = file.read_bytes()
    listed = {"rows": len(rows), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    change_manifest(folder, lambda manifest: manifest["files"].update({f"{part}/{name}.parquet": listed}))


def problems(folder: Path) -> list[str]:
    with pytest.raises(InputError) as raised:
        verify(str(folder))
    first, *others = str(raised.value).split("\n  ")
    assert first.startswith(f"{folder}: {len(others)} problem")
    return others


def test_data_as_prepared_have_no_problems(prepared: Path) -> None:
    assert verify(str(prepared)) == f"{prepared}: no problems in 8 samples and 2 rejects, in 4 files"


def test_all_problems_of_files_are_reported(prepared: Path) -> None:
    samples = prepared / "samples"
    content = bytearray((samples / f"{FIRST}.parquet").read_bytes())
    content[20] ^= 1
    (samples / f"{FIRST}.parquet").write_bytes(content)
    (samples / f"{SECOND}.parquet").write_bytes((samples / f"{SECOND}.parquet").read_bytes()[:-9])
    (samples / "notes.parquet").write_bytes(b"PAR1")
    (prepared / "rejects" / f"{OTHER}.parquet").unlink()
    found = problems(prepared)
    assert f"samples/{FIRST}.parquet: the content has changed since the preparation" in found
    assert f"rejects/{OTHER}.parquet is missing" in found
    assert "samples/notes.parquet is not among the files of the preparation" in found
    unreadable = [problem for problem in found if "cannot be read as Parquet" in problem]
    names = {problem.split(":")[0] for problem in unreadable}
    assert {f"samples/{SECOND}.parquet", "samples/notes.parquet"} <= names
    assert any(problem.startswith(f"samples/{SECOND}.parquet has ") for problem in found)


def test_all_problems_of_rows_are_reported(prepared: Path) -> None:
    def poison(rows: list[dict[str, Any]]) -> None:
        rows[0]["source_lang"] = None
        for number in (1, 2, 4):
            rows[number]["spans"] = [SPAN | {"target_end": 99}]
        rows[3]["target_words"] = None
        rows[4]["source"] = "Anna has another"

    rewrite(prepared, FIRST, poison)
    rewrite(prepared, SECOND, lambda rows: rows[2].update(sample_id="en-de/00/000000002"))
    assert problems(prepared) == [
        f"samples/{FIRST}.parquet, row 1: source_lang is null",
        f"samples/{FIRST}.parquet, rows 2-3, 5: a span is empty or outside of the target",
        f"samples/{FIRST}.parquet, row 4: source or target has no words",
        f"samples/{FIRST}.parquet, row 5: source_hash is not that of the source",
        "2 samples have the id en-de/00/000000002",
        "7 samples of en-de instead of the 8 of manifest.json",
        "7 spans of en-de instead of the 8 of manifest.json",
    ]


def test_problems_of_rejects_are_reported(prepared: Path) -> None:
    rewrite(prepared, FIRST, lambda rows: rows[0].update(reason="bad mood"), part="rejects")
    rewrite(prepared, OTHER, lambda rows: rows[0].update(line=None), part="rejects")
    assert problems(prepared) == [
        f"rejects/{OTHER}.parquet, row 1: line is null",
        f"rejects/{FIRST}.parquet, row 1: reason is unknown",
    ]


def test_columns_of_other_types_are_reported(prepared: Path) -> None:
    file = prepared / "samples" / f"{SECOND}.parquet"
    table = pq.read_table(file).drop_columns(["target"])
    table = table.set_column(0, "sample_id", pa.array([1, 2, 3]))
    pq.write_table(table, file)
    (columns,) = (problem for problem in problems(prepared) if "column" in problem)
    assert columns == (
        f"samples/{SECOND}.parquet: column sample_id is int64 instead of string; column target is missing"
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(lambda _: None, None, id="as-prepared"),
        pytest.param(
            lambda folder: rewrite(folder, SECOND, lambda rows: rows[0].update(alignment="")),
            "the samples have changed since the preparation: their digest is not that of manifest.json",
            id="changed",
        ),
        pytest.param(
            lambda folder: (folder / "rejects" / f"{OTHER}.parquet").unlink(),
            "1 rejects instead of the 2 of manifest.json",
            id="lost",
        ),
    ],
)
def test_data_of_an_earlier_version_are_compared_by_numbers_and_one_digest(
    prepared: Path, change: Callable[[Path], Any], problem: str | None
) -> None:
    change(prepared)
    change_manifest(prepared, lambda manifest: manifest.pop("files"))
    if problem is None:
        assert "no problems in 8 samples" in verify(str(prepared))
    else:
        assert problem in problems(prepared)


def test_data_without_source_hashes_are_verified(prepared: Path) -> None:
    for file in (prepared / "samples").iterdir():
        pq.write_table(pq.read_table(file).drop_columns([SAMPLE_FILE_SCHEMA.names[-1]]), file)
    change_manifest(prepared, lambda manifest: manifest.update(pairs={}) or manifest.pop("files"))
    assert "no problems" in verify(str(prepared))


@pytest.mark.parametrize("is_damaged", [False, True])
def test_the_option_prints_the_result_and_sets_the_status(
    prepared: Path, capsys: pytest.CaptureFixture[str], is_damaged: bool
) -> None:
    if is_damaged:
        rewrite(prepared, FIRST, lambda rows: rows[1].update(spans=None))
    with pytest.raises(SystemExit) as raised:
        run_job(PrepareConfig, main, description=None, shortcuts=[VERIFY], arguments=["--verify", str(prepared)])
    said = capsys.readouterr()
    if is_damaged:
        assert raised.value.code == EXIT_BAD_INPUT
        assert said.err.startswith(f"error: {prepared}: 2 problems; restore the files")
        assert f"\n  samples/{FIRST}.parquet, row 2: spans is null\n" in said.err
    else:
        assert raised.value.code == EXIT_DONE
        assert said.out == f"{prepared}: no problems in 8 samples and 2 rejects, in 4 files\n"


def test_a_folder_without_prepared_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no prepared data"):
        verify(str(tmp_path))
