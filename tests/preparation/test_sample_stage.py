import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clism_core.preparation.sample_stage import add_spans, mark_duplicates, write_shard
from clism_core.preparation.schema import REJECT_SCHEMA, ROW_SCHEMA
from clism_core.preparation.source_hash import SAMPLE_FILE_SCHEMA


def row(number: int, **columns: Any) -> dict[str, Any]:
    """Return a row in which Rome is a place, aligned to the second word of the target."""
    languages = {"sample_id": f"en-de/00/{number:09d}", "source_lang": "en", "target_lang": "de"}
    text = {"source": "Rome is old", "target": "alt ist Rom", "input": "c.tsv", "line": number}
    words = {
        "source_words": [{"start": 0, "end": 4}, {"start": 5, "end": 7}, {"start": 8, "end": 11}],
        "target_words": [{"start": 0, "end": 3}, {"start": 4, "end": 7}, {"start": 8, "end": 11}],
    }
    found = {"candidates": [{"start": 0, "end": 4, "label": "GPE"}], "alignment": "0-2 1-1 2-0"}
    return languages | text | words | found | columns


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=ROW_SCHEMA)


def test_spans_and_their_answers() -> None:
    found = add_spans(
        table(row(1), row(2, alignment="1-1"), row(3, reason="duplicate"), row(4, alignment="0-0 0-1")),
        max_answer_words=1,
        partial_answers=False,
    )
    assert found["spans"].to_pylist() == [
        [{"source_start": 0, "source_end": 4, "target_start": 8, "target_end": 11, "label": "GPE"}],
        [],
        None,
        [],
    ]
    assert found["reason"].to_pylist() == [None, "no_answer", "duplicate", "no_answer"]


@pytest.mark.parametrize(
    ("language", "partial_answers", "found"),
    [
        pytest.param("en", False, ["the Rome"], id="stop-words-need-no-link"),
        pytest.param("en", True, ["the Rome", "old Rome"], id="kept"),
        pytest.param("mt", False, ["the Rome", "old Rome"], id="no-stop-words"),
    ],
)
def test_partial_answers(language: str, partial_answers: bool, found: list[str], tmp_path: Path) -> None:
    rows = [
        row(number, source=source, source_lang=language, target="nach Rom", alignment="1-1", candidates=[candidate])
        | {
            "source_words": [{"start": 0, "end": 3}, {"start": 4, "end": 8}],
            "target_words": [{"start": 0, "end": 4}, {"start": 5, "end": 8}],
        }
        for number, source in enumerate(["the Rome", "old Rome"])
        for candidate in [{"start": 0, "end": 8, "label": "GPE"}]
    ]
    spans = add_spans(table(*rows), max_answer_words=1, partial_answers=partial_answers)
    assert [each["source"] for each in spans.to_pylist() if each["spans"]] == found
    assert spans["reason"].to_pylist() == [None, None if len(found) == 2 else "no_answer"]
    assert write_shard(spans, "x", str(tmp_path))["partial_answers"] == 2 - len(found)


def test_duplicates_are_marked(tmp_path: Path) -> None:
    ids = [f"en-de/00/{number:09d}" for number in (1, 3, 4, 9)]
    pq.write_table(pa.table({"sample_id": ids}), tmp_path / "duplicates.parquet")
    shard = table(row(2), row(3), row(4), row(5, reason="too_long"))
    marked = mark_duplicates(shard, str(tmp_path / "duplicates.parquet"))
    assert marked["reason"].to_pylist() == [None, "duplicate", "duplicate", "too_long"]
    assert marked.schema == ROW_SCHEMA


def test_shard_is_written_as_two_files_with_counts(tmp_path: Path) -> None:
    spans = [{"source_start": 0, "source_end": 4, "target_start": 8, "target_end": 11, "label": "GPE"}]
    shard = table(row(1, spans=spans), row(2, reason="no_span", source_words=None), row(3, spans=spans))
    made = write_shard(shard, "en-de-00-000000001", str(tmp_path))
    samples = pq.read_table(tmp_path / "samples" / "en-de-00-000000001.parquet")
    assert samples.schema == SAMPLE_FILE_SCHEMA
    assert samples["sample_id"].to_pylist() == ["en-de/00/000000001", "en-de/00/000000003"]
    rejects = pq.read_table(tmp_path / "rejects" / "en-de-00-000000001.parquet")
    assert rejects.schema == REJECT_SCHEMA
    assert rejects["line"].to_pylist() == [2]
    assert (made["statistics"]["rows"], made["statistics"]["samples"], made["statistics"]["spans"]) == (3, 2, 2)
    assert json.loads(json.dumps(made)) == made
    for number, (name, rows) in enumerate({"samples": 2, "rejects": 1}.items()):
        file = f"{name}/en-de-00-000000001.parquet"
        content = (tmp_path / file).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        assert list(made["files"])[number] == file
        assert made["files"][file] == {"rows": rows, "bytes": len(content), "sha256": digest}
    assert list(write_shard(shard, "copy", str(tmp_path))["files"].values()) == list(made["files"].values())


def test_shard_without_samples_or_rejects_writes_no_empty_file(tmp_path: Path) -> None:
    made = write_shard(table(row(1, reason="no_span")), "x", str(tmp_path))
    assert list(made["files"]) == ["rejects/x.parquet"]
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet")] == ["rejects/x.parquet"]
