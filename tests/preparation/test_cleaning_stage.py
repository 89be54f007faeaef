from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clism_core.preparation.cleaning import CleaningConfig
from clism_core.preparation.cleaning_stage import clean_shard, make_row, read_shards, shard_name
from clism_core.preparation.corpus import CorpusConfig, RawRow
from clism_core.preparation.schema import ROW_SCHEMA, RejectReason

CORPUS = CorpusConfig(path="c.tsv", source_lang="en", target_lang="de")


def row(source: str | None, target: str | None, *, alignment: str | None = None, **more: Any) -> dict[str, Any]:
    raw = RawRow("c.tsv", 7, source, target, " web ", alignment, **more)
    return make_row(raw, corpus=CORPUS, cleaning=CleaningConfig(), given_alignment=alignment is not None)


def test_row() -> None:
    found = row(" Hello,  world", "Hällo Welt")
    assert len(found.pop("digest")) == 16
    assert found == {
        "source": "Hello, world",
        "target": "Hällo Welt",
        "origin": "web",
        "source_words": [(0, 5), (5, 6), (7, 12)],
        "target_words": [(0, 5), (6, 10)],
        "input": "c.tsv",
        "line": 7,
        "markup": False,
        "reason": None,
    }


def test_markup() -> None:
    found = row("<b>Nora</b> &apos;s caf&eacute;", "Noras Caf\u00e9 &#0;")
    assert (found["source"], found["markup"]) == ("Nora 's caf\u00e9", True)
    assert found["reason"] == RejectReason.INVALID_UTF8  # an escape of no character
    raw = RawRow("c.tsv", 7, "Nora &apos;s", "Noras")
    kept = make_row(raw, corpus=CORPUS, cleaning=CleaningConfig(markup=False), given_alignment=False)
    assert (kept["source"], kept["markup"]) == ("Nora &apos;s", False)


def test_markup_within_the_words_of_a_given_alignment() -> None:
    found = row("Nora &apos;s caf&eacute;", "Noras Caf\u00e9", alignment="0-0 1-0 2-1")
    assert (found["source"], found["alignment"]) == ("Nora 's caf\u00e9", "0-0 1-0 2-1")
    split = row("10&nbsp;000 euros", "10000 Euro", alignment="0-0 1-1")
    assert split["reason"] == RejectReason.INVALID_ALIGNMENT


@pytest.mark.parametrize(
    ("source", "target", "is_same"),
    [
        pytest.param(" Hello,  world", "Hällo Welt ", True, id="white-space"),
        pytest.param("hello, world", "Hällo Welt", False, id="case"),
        pytest.param("Hello, world Hällo", "Welt", False, id="border"),
    ],
)
def test_duplicates_have_the_same_digest(source: str, target: str, is_same: bool) -> None:
    assert (row(source, target)["digest"] == row("Hello, world", "Hällo Welt")["digest"]) == is_same


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        pytest.param("caf\ufffd", "x", RejectReason.INVALID_UTF8, id="latin-1"),
        pytest.param("a " * 201, "x", RejectReason.TOO_LONG, id="too-long"),
        pytest.param("Good morning", "Доброе утро, господа", RejectReason.WRONG_LANGUAGE, id="another-script"),
    ],
)
def test_rejects(source: str, target: str, reason: RejectReason) -> None:
    found = row(source, target)
    assert found["reason"] == reason
    assert "digest" not in found


def test_rejects_of_the_reader_stay_rejected() -> None:
    found = row("caf\ufffd", None, reason=RejectReason.EMPTY_TARGET)
    assert (found["reason"], found["source"], found["target"]) == (RejectReason.EMPTY_TARGET, "caf\ufffd", None)


@pytest.mark.parametrize(
    ("source", "alignment", "expected"),
    [
        pytest.param("Hello,  world", "1-1 0-0", "0-0 1-1", id="words-are-cut-at-white-space"),
        pytest.param("Hello,  world", "", "", id="no-links"),
        pytest.param("Hello,  world", "2-0", None, id="no-such-source-word"),
        pytest.param("Hello,  world", "0-2", None, id="no-such-target-word"),
        pytest.param("Hello,  world", "0:0", None, id="no-alignment"),
        pytest.param("Hello, \u200b world", "0-0", None, id="cleaning-removes-a-word"),
        pytest.param("Hello,\u00a0world", "0-0", None, id="words-that-aligners-count-differently"),
    ],
)
def test_given_alignment(source: str, alignment: str, expected: str | None) -> None:
    found = row(source, "Hallo Welt", alignment=alignment)
    assert found["alignment"] == expected
    assert found["reason"] == (RejectReason.INVALID_ALIGNMENT if expected is None else None)


def shards(corpus: CorpusConfig, *, cleaned: set[str] = frozenset()) -> list[dict[str, Any]]:  # type: ignore[assignment]
    tables = read_shards(corpus, number=3, rows_per_shard=2, cleaned=cleaned)
    return [row for table in tables for row in table.to_pylist()]


def test_shards(tmp_path: Path) -> None:
    file = tmp_path / "c.tsv"
    file.write_bytes(b"en\tde\na\tx\n\t\nb\xff\ty\nc\n")
    corpus = CorpusConfig(path=str(file), source_lang="en", target_lang="de", header=True)
    first, second, end = shards(corpus)
    assert [shard["first_row"] for shard in (first, second, end)] == [1, 3, None]
    assert [shard["rows"] for shard in (first, second, end)] == [2, 2, 4]
    assert end["beyond_cap"] == 0

    table = clean_shard(
        second["raw"], first_row=3, corpus=corpus, number=3, cleaning=CleaningConfig(), given_alignment=False
    )
    assert table.schema == ROW_SCHEMA
    assert table.select(["sample_id", "input", "line", "source", "target", "source_lang", "reason"]).to_pylist() == [
        {
            "sample_id": "en-de/03/000000003",
            "input": str(file),
            "line": 4,
            "source": "b\ufffd",
            "target": "y",
            "source_lang": "en",
            "reason": "invalid_utf8",
        },
        {
            "sample_id": "en-de/03/000000004",
            "input": str(file),
            "line": 5,
            "source": None,
            "target": None,
            "source_lang": "en",
            "reason": "wrong_column_count",
        },
    ]
    table = clean_shard(
        first["raw"], first_row=1, corpus=corpus, number=3, cleaning=CleaningConfig(), given_alignment=False
    )
    assert table["source_words"].to_pylist() == [[{"start": 0, "end": 1}], None]
    assert table["digest"].type == pa.binary(16)


def test_cleaned_shards_are_skipped_and_rows_beyond_the_cap_counted(tmp_path: Path) -> None:
    file = tmp_path / "c.tsv"
    file.write_text("a\tx\nb\ty\nc\tz\nd\tw\ne\tv\n")
    corpus = CorpusConfig(path=str(file), source_lang="en", target_lang="de", max_pairs=3)
    name = shard_name(corpus, number=3, first_row=1)
    assert name == "en-de-03-000000001"
    first, second, end = shards(corpus, cleaned={name})
    assert (first["rows"], first["raw"]) == (2, None)
    assert (second["rows"], end["rows"], end["beyond_cap"]) == (1, 3, 2)
    assert second["raw"] is not None


def test_shards_of_long_rows_are_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clism_core.preparation.cleaning_stage._MAX_CHARACTERS", 10)
    file = tmp_path / "c.tsv"
    file.write_text("a\tx\nsixteen letters!\ty\nb\tx\n")
    found = [(shard["first_row"], shard["rows"]) for shard in shards(CorpusConfig(str(file), "en", "de"))]
    assert found == [(1, 2), (3, 1), (None, 3)]
