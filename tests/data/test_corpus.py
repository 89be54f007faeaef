import gzip
from pathlib import Path
from typing import Any

import pytest

from clism_core.data.corpus import CorpusConfig, RawRow, check_corpus, read_rows
from clism_core.data.schema import Reason
from clism_core.errors import InputError


def corpus(path: Path, **fields: Any) -> CorpusConfig:
    return CorpusConfig(path=str(path), source_lang="en", target_lang="de", **fields)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["c.tsv", "c.tsv.gz"])
def test_tsv(tmp_path: Path, name: str) -> None:
    file = write(
        tmp_path / name, b"\xef\xbb\xbfone\teins\tx\ntwo\r\tzw\xc2\x85ei\ty\n\nthree\tdrei\tz\t!\nfour\tvier\tw"
    )
    path = str(file)
    assert list(read_rows(corpus(file, origin_column=3))) == [
        RawRow(path, 1, "one", "eins", "x"),
        RawRow(path, 2, "two\r", "zw\x85ei", "y"),
        RawRow(path, 3, reason=Reason.WRONG_COLUMN_COUNT),
        RawRow(path, 4, reason=Reason.WRONG_COLUMN_COUNT),
        RawRow(path, 5, "four", "vier", "w"),
    ]


def test_columns_by_name_count_the_header_as_line_1(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", b"id\tde\ten\r\n7\teins\tone\r\n")
    config = corpus(path, header=True, source_column="en", target_column="de")
    assert list(read_rows(config)) == [RawRow(str(path), 2, "one\r", "eins")]


def test_moses(tmp_path: Path) -> None:
    source, target = write(tmp_path / "c.en", b"a\tb\n\n"), write(tmp_path / "c.de.gz", b"x\ny\n")
    config = corpus(source, format="moses", target_path=str(target))
    assert list(read_rows(config)) == [
        RawRow(str(source), 1, "a\tb", "x"),
        RawRow(str(source), 2, "", "y"),
    ]


def test_alignment_of_a_file_with_header(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", b"en\tde\none\teins\nbad line\ntwo\tzwei\n")
    links = write(tmp_path / "links", b"0-0\n1-1\n\n")
    rows = list(read_rows(corpus(path, header=True, alignment_path=str(links))))
    assert [(row.line, row.source, row.alignment) for row in rows] == [
        (2, "one", "0-0"),
        (3, None, "1-1"),
        (4, "two", ""),
    ]


@pytest.mark.parametrize("longer", ["source", "target"])
def test_moses_files_of_unequal_length(tmp_path: Path, longer: str) -> None:
    lengths = {"source": 2, "target": 2} | {longer: 3}
    source = write(tmp_path / "source", b"a\n" * lengths["source"])
    target = write(tmp_path / "target", b"b\n" * lengths["target"])
    with pytest.raises(InputError, match=rf"has 2 sentences, .*{longer} more"):
        list(read_rows(corpus(source, format="moses", target_path=str(target))))


def test_broken_gzip(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv.gz"
    path.write_bytes(gzip.compress(b"one\teins\n" * 1000)[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        list(read_rows(corpus(path)))


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        pytest.param(None, {}, "cannot be read", id="missing"),
        pytest.param(b"", {}, "is empty", id="empty"),
        pytest.param(b"a\tb\n", {"target_column": 3}, "target_column is 3, but the first line has 2", id="too-few"),
        pytest.param(b"a\tb\n", {"source_column": 0}, "source_column is 0", id="columns-count-from-1"),
        pytest.param(b"en\tde\n", {"source_column": "en"}, "header is false", id="name-without-header"),
        pytest.param(
            b"en\tde\n",
            {"header": True, "origin_column": "from"},
            "'from', but the header has en, de",
            id="unknown-name",
        ),
        pytest.param(b"a\tb\n", {"target_path": "x"}, "did you mean moses", id="target-path-of-a-tsv"),
        pytest.param(b"a\n", {"format": "moses"}, "wants target_path", id="moses-without-target"),
        pytest.param(b"a\tb\n", {"max_pairs": 0}, "max_pairs is 0", id="cap"),
        pytest.param(b"a\tb\n", {"alignment_path": "/nowhere/links"}, "/nowhere/links cannot be read", id="no-links"),
    ],
)
def test_what_the_first_line_tells(tmp_path: Path, content: bytes | None, fields: dict[str, Any], message: str) -> None:
    path = tmp_path / "c.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        check_corpus(corpus(path, **fields))


@pytest.mark.parametrize("language", ["", "../x", "en"])
def test_language_codes(tmp_path: Path, language: str) -> None:
    path = write(tmp_path / "c.tsv", b"a\tb\n")
    with pytest.raises(InputError, match="target_lang"):
        check_corpus(CorpusConfig(path=str(path), source_lang="en", target_lang=language))
