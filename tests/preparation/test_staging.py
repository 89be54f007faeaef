from pathlib import Path

import pyarrow as pa
import pytest

from clism_core.preparation.manifest import open_output
from clism_core.preparation.schema import ROW_SCHEMA
from clism_core.preparation.staging import CLEANED, Shard, Work
from clism_core.utils.errors import InputError


def test_results_of_a_stage_are_read_by_the_next_one(tmp_path: Path) -> None:
    work = Work(str(tmp_path), fingerprint="ab" * 32)
    assert work.names(CLEANED) == set()
    assert work.read_json("corpora", "00.json") is None
    for number in (1, 6):
        rows = pa.Table.from_pylist([{"sample_id": f"en-de/00/{number:09d}", "line": number}], schema=ROW_SCHEMA)
        work.write_rows(f"en-de-00-{number:09d}", rows)
        work.write_json({"rows": number}, "made", f"{number}.json")
    assert work.names(CLEANED) == {"en-de-00-000000001", "en-de-00-000000006"}
    shards = [Shard(f"en-de-00-{number:09d}", 0, "en-de", 1) for number in (1, 6)]
    assert work.read_rows(shards[1].name)["line"].to_pylist() == [6]
    assert work.open_rows(shards).to_table()["line"].to_pylist() == [1, 6]
    assert list(work.read_all_json("made", ["6", "1"])) == [{"rows": 6}, {"rows": 1}]


def test_runs_with_different_fingerprints_do_not_mix(tmp_path: Path) -> None:
    one, other = (Work(str(tmp_path), fingerprint=letter * 64) for letter in "ab")
    with pytest.raises(InputError, match="not visible on all nodes"):
        one.check_owner()
    open_output(str(tmp_path), fingerprint="a" * 64)
    one.write_json({}, "made", "x.json")
    one.check_owner()
    assert other.names("made") == set()
    with pytest.raises(InputError, match="taken over by another preparation"):
        other.check_owner()
    open_output(str(tmp_path), fingerprint="b" * 64)
    other.check_owner()
    other.write_json({}, "made", "y.json")
    open_output(str(tmp_path), fingerprint="a" * 64)
    assert one.names("made") == {"x"}  # the first run resumes after all


def test_work_of_an_earlier_version_has_no_file_of_aligners_that_do_not_learn(tmp_path: Path) -> None:
    work = Work(str(tmp_path), fingerprint="ab" * 32)
    assert work.read_learnt("en-de") == b""
    work.write(b"priors", "priors", "en-de.tsv")
    assert work.read_learnt("en-de") == b"priors"
