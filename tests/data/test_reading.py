from pathlib import Path
from typing import Any

import pytest

from clism_core.data.cleaning import CleaningConfig
from clism_core.data.corpus import CorpusConfig, RawRow
from clism_core.data.reading import make_row, read_pair
from clism_core.data.schema import ROW_SCHEMA, Reason

CORPUS = CorpusConfig(path="c.tsv", source_lang="en", target_lang="de")


class FakeTally:
    def __init__(self) -> None:
        self.read = 0
        self.beyond_cap: dict[int, int] = {}

    def add(self, stage: str, rows: int) -> None:
        assert stage == "read"
        self.read += rows

    def set_beyond_cap(self, pair: str, *, corpus: int, rows: int) -> None:
        assert pair == "en-de"
        self.beyond_cap[corpus] = rows


def row(source: str | None, target: str | None, *, alignment: str | None = None, **more: Any) -> dict[str, Any]:
    raw = RawRow("c.tsv", 7, source, target, " web ", alignment, **more)
    return make_row(raw, corpus=CORPUS, number=3, cleaning=CleaningConfig(), given_alignment=alignment is not None)


def test_row() -> None:
    found = row(" Hello,  world", "Hällo Welt")
    filled = {name: value for name, value in found.items() if value is not None}
    assert filled == {
        "sample_id": "en-de/03/000000007",
        "source_lang": "en",
        "target_lang": "de",
        "source": "Hello, world",
        "target": "Hällo Welt",
        "origin": "web",
        "source_words": [(0, 5), (5, 6), (7, 12)],
        "target_words": [(0, 5), (6, 10)],
        "input": "c.tsv",
        "line": 7,
    }
    assert list(found) == ROW_SCHEMA.names


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        pytest.param("caf\ufffd", "x", Reason.INVALID_UTF8, id="latin-1"),
        pytest.param("a " * 201, "x", Reason.TOO_LONG, id="too-long"),
    ],
)
def test_rejects(source: str, target: str, reason: Reason) -> None:
    assert row(source, target)["reason"] == reason


def test_what_the_reader_has_rejected_stays_rejected() -> None:
    found = row("caf\ufffd", None, reason=Reason.EMPTY_TARGET)
    assert (found["reason"], found["source"], found["target"]) == (Reason.EMPTY_TARGET, "caf\ufffd", None)


@pytest.mark.parametrize(
    ("source", "alignment", "expected"),
    [
        pytest.param("Hello,  world", "1-1 0-0", "0-0 1-1", id="words-are-cut-at-white-space"),
        pytest.param("Hello,  world", "", "", id="no-links"),
        pytest.param("Hello,  world", "2-0", None, id="no-such-source-word"),
        pytest.param("Hello,  world", "0-2", None, id="no-such-target-word"),
        pytest.param("Hello,  world", "0:0", None, id="no-alignment"),
        pytest.param("Hello, \u200b world", "0-0", None, id="cleaning-removes-a-word"),
    ],
)
def test_given_alignment(source: str, alignment: str, expected: str | None) -> None:
    found = row(source, "Hallo Welt", alignment=alignment)
    assert found["alignment"] == expected
    assert found["reason"] == (Reason.INVALID_ALIGNMENT if expected is None else None)


def test_first_of_equal_pairs_is_kept_across_corpora_and_caps_only_count(tmp_path: Path) -> None:
    one, two = tmp_path / "1.tsv", tmp_path / "2.tsv"
    one.write_bytes(b"a\tx\nb\ty\na \tx\na\tz\nc\tw\n")
    two.write_bytes(b"b\ty\nc\tw\n")
    corpora = [
        (number, CorpusConfig(path=str(path), source_lang="en", target_lang="de", max_pairs=4))
        for number, path in ((0, one), (2, two))
    ]
    tally: Any = FakeTally()
    tables = list(read_pair(corpora, cleaning=CleaningConfig(), given_alignment=False, tally=tally))
    rows = [row for table in tables for row in table.select(["sample_id", "reason"]).to_pylist()]
    assert [(row["sample_id"], row["reason"]) for row in rows] == [
        ("en-de/00/000000001", None),
        ("en-de/00/000000002", None),
        ("en-de/00/000000003", "duplicate"),
        ("en-de/00/000000004", None),
        ("en-de/02/000000001", "duplicate"),
        ("en-de/02/000000002", None),
    ]
    assert tally.read == 6
    assert tally.beyond_cap == {0: 1, 2: 0}
