import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from report_data import blocks, manifest, tables

from clism_core.preparation.manifest import Manifest, PairCounts, read_manifest
from clism_core.preparation.report.folder import manifest_with_statistics, statistics_of_folder
from clism_core.preparation.report.summary import ranked, spread
from clism_core.preparation.report.terminal import format_statistics
from clism_core.utils.errors import InputError


def test_summary_of_a_language_pair() -> None:
    whole = manifest()
    text = format_statistics(Manifest(**{**whole, "pairs": {"en-ar": whole["pairs"]["en-ar"]}}))
    assert text == ARABIC_TEXT.strip()


ARABIC_TEXT = """
48 samples, 5 rejects; fingerprint abababababababab

pair   rows  samples         spans  rejects         beyond cap
----   ----  -------         -----  -------         ----------
en-ar     6        2  33.3%      3        4  66.7%       1,000

en-ar
=====

spans per sample   mean 1.5, median 1, 90% at most 2, max 2
words per span     mean 1.0, median 1, 90% at most 1, max 1
words per answer   mean 1.0, median 1, 90% at most 1, max 1
words per source   mean 3.5, median 0-4, 90% at most 5, max 5
words per target   mean 3.0, median 0-4, 90% at most 4, max 4
words with a link  85.7% of the source, 100.0% of the target

outcome             rows
-------             ----
samples                2  33.3%
no_span                2  33.3%
too_long               1  16.7%
wrong_column_count     1  16.7%

origin       rows  samples          spans  rejects
------       ----  -------          -----  -------
news            5        1   20.0%      2  no_span 2, too_long 1, wrong_column_count 1
(no origin)     1        1  100.0%      1

label   spans
-----   -----
GPE         2  66.7%
PERSON      1  33.3%
"""


def test_control_characters_do_not_reach_the_terminal() -> None:
    whole = manifest()
    counts = whole["pairs"]["en-ar"]
    counts["statistics"]["origins"] = {"a\x1b[2J\u202eb": counts["statistics"]["origins"]["news"]}
    counts["statistics"]["labels"] = {"\x1b[2J": 1}
    text = format_statistics(whole)
    assert "a\\x1b[2J\\u202eb" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        pytest.param(3, [("b", 5), ("a", 2), ("c", 2)], id="all"),
        pytest.param(1, [("b", 5), ("(2 others)", 4)], id="others_together"),
    ],
)
def test_greatest_counts_first(shown: int, expected: list[tuple[str, int]]) -> None:
    assert ranked({"a": 2, "c": 2, "b": 5}, shown=shown) == expected


def test_spread_without_values() -> None:
    assert spread({"width": 1, "counts": [], "sum": 0, "max": 0}) == "none"


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Write prepared data of an older version, without statistics and origins of rejects; a file may hold two pairs."""
    for part in ("samples", "rejects"):
        (tmp_path / part).mkdir()
    for number, (samples, rejects) in enumerate(tables().values()):
        pq.write_table(samples, tmp_path / "samples" / f"{number}.parquet")
        if rejects.num_rows:
            pq.write_table(rejects.drop_columns("origin"), tmp_path / "rejects" / f"{number}.parquet")
    pairs = {
        pair: {name: value for name, value in counts.items() if name != "statistics"}
        for pair, counts in manifest()["pairs"].items()
    }
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest(), "pairs": pairs}))
    return tmp_path


def test_statistics_are_computed_from_the_files(prepared: Path) -> None:
    computed = statistics_of_folder(str(prepared))
    expected = blocks()
    assert computed.keys() == expected.keys()
    for pair, block in expected.items():
        found = computed[pair]
        assert found["rejects"] == block["rejects"]
        assert found["examples"]["samples"] == block["examples"]["samples"]
        for name in ("labels", "span_words", "target_words", "source_aligned", "target_coverage"):
            assert found["statistics"][name] == block["statistics"][name]
    assert computed["en-ar"]["statistics"]["origins"] == {
        "": {"samples": 1, "spans": 1, "rejects": {"no_span": 2, "too_long": 1, "wrong_column_count": 1}},
        "news": {"samples": 1, "spans": 2, "rejects": {}},
    }


def test_missing_statistics_are_added_to_the_manifest(prepared: Path) -> None:
    assert "statistics" not in read_manifest(str(prepared))["pairs"]["en-ar"]
    complete = manifest_with_statistics(str(prepared))
    expected: PairCounts = manifest()["pairs"]["en-vi"]
    assert complete["pairs"]["en-vi"] == expected
    assert complete["fingerprint"] == "ab" * 32


def test_manifest_with_statistics_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(manifest()))
    assert manifest_with_statistics(str(tmp_path)) == manifest()


def test_folder_without_prepared_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no prepared data"):
        manifest_with_statistics(str(tmp_path))
