from pathlib import Path
from typing import Any

import pytest
from corpus_files import compress, corpus, write

from clism_core.preparation.corpus import (
    CappedRows,
    CorpusConfig,
    check_corpus,
    input_paths,
    read_rows,
    source_identity,
)
from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two files of a corpus, which have a header each."""
    write(tmp_path / "set" / "b.tsv", b"de\ten\nzwei\ttwo\ndrei\tthree\n")
    write(tmp_path / "set" / "a.tsv.gz", b"en\tde\none\teins\n")
    write(tmp_path / "set" / "_SUCCESS", b"")
    return tmp_path / "set"


@pytest.mark.parametrize("pattern", ["", "*.tsv*", "[ab].*"])
def test_files_of_a_folder_or_glob_are_one_corpus(folder: Path, pattern: str) -> None:
    config = corpus(folder / pattern, header=True, source_column="en", target_column="de")
    check_corpus(config)
    first, second = str(folder / "a.tsv.gz"), str(folder / "b.tsv")
    assert input_paths(config) == [first, second]
    assert [row[:4] for row in read_rows(config)] == [
        (first, 2, "one", "eins"),
        (second, 2, "two", "zwei"),
        (second, 3, "three", "drei"),
    ]


@pytest.mark.parametrize(
    ("cap", "sources", "beyond"),
    [
        pytest.param(None, ["one", "two", "three"], 0, id="none"),
        pytest.param(1, ["one"], 2, id="in-the-first-file"),
        pytest.param(2, ["one", "two"], 1, id="in-the-second-file"),
        pytest.param(9, ["one", "two", "three"], 0, id="beyond-all"),
    ],
)
def test_cap_counts_over_all_files(folder: Path, cap: int | None, sources: list[str], beyond: int) -> None:
    rows = CappedRows(corpus(folder, header=True, source_column="en", target_column="de", max_pairs=cap))
    assert rows.beyond_cap is None
    assert [row.source for row in rows] == sources
    assert rows.beyond_cap == beyond


def test_cap_within_the_first_of_several_files(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.tsv", b"one\teins\n" * 4)
    rows = CappedRows(corpus(tmp_path, max_pairs=1))
    assert [row.path for row in rows] == [str(tmp_path / "a.tsv")]
    assert rows.beyond_cap == 11


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_corpus_in_a_bucket(bucket: str, suffix: str) -> None:
    root = f"{bucket}/corpora{suffix}"
    for name, line in (("2", b"b\ty\n"), ("1", b"a\tx\n")):
        storage.write_bytes(f"{root}/de/{name}.tsv{suffix}", compress(line, suffix))
    config = corpus(f"{root}/d?/*.tsv{suffix}")
    check_corpus(config)
    assert [(row.path, row.source) for row in read_rows(config)] == [
        (f"{root}/de/1.tsv{suffix}", "a"),
        (f"{root}/de/2.tsv{suffix}", "b"),
    ]


def test_alignment_counts_beyond_the_cap_too(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", b"a\tx\n" * 5)
    rows = CappedRows(corpus(path, max_pairs=2, alignment_path=str(write(tmp_path / "links", b"0-0\n" * 5))))
    assert [row.alignment for row in rows] == ["0-0", "0-0"]
    assert rows.beyond_cap == 3
    rows = CappedRows(corpus(path, max_pairs=2, alignment_path=str(write(tmp_path / "fewer", b"0-0\n" * 4))))
    with pytest.raises(InputError, match="fewer has 4 sentences"):
        list(rows)


def test_corpus_of_files_has_no_identity(tmp_path: Path) -> None:
    assert source_identity(corpus(tmp_path / "c.tsv")) == {}


def test_fewer_than_90_percent_rejects_are_not_an_error(tmp_path: Path) -> None:
    check_corpus(corpus(write(tmp_path / "c.tsv", b"a\tb\n" * 101 + b"c\n" * 899 + b"c\n" * 1000)))


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        pytest.param(None, {}, "cannot be read", id="missing"),
        pytest.param(b"", {}, "is empty", id="empty"),
        pytest.param(b"en\tde\n", {"header": True}, "is empty: it has no sentence pairs", id="nothing-but-a-header"),
        pytest.param(b"a\tb\n", {"target_column": 3}, "target_column is 3, but the first line has 2", id="too-few"),
        pytest.param(b"a\tb\n", {"source_column": 0}, "source_column is 0", id="columns-count-from-1"),
        pytest.param(b"en\tde\n", {"source_column": "en"}, "header is false", id="name-without-header"),
        pytest.param(
            b"en\tde\ten\none\teins\tuno\n",
            {"header": True, "source_column": "en"},
            "source_column is 'en', which 2 columns of the header are named; give its number",
            id="name-of-two-columns",
        ),
        pytest.param(
            b"en\tde\n",
            {"header": True, "origin_column": "from"},
            "'from', not found in the header, which has en, de",
            id="unknown-name",
        ),
        pytest.param(
            b"\x1b]0;x\x07\t" + b"y" * 81 + b"\tz" * 30 + b"\n",
            {"header": True, "source_column": "en"},
            r"the header, which has \\x1b\]0;x\\x07, y{80}\.\.\.(, z){18}, \.\.\.$",
            id="header-that-is-none",
        ),
        pytest.param(
            b"en\tde\n" + b"1\tone\teins\n" * 20,
            {"header": True},
            "20 of the first 20 rows have a different number of columns from the first line, which has 2; most have 3",
            id="header-of-another-file",
        ),
        pytest.param(
            b"my\tcorpus\n" + b"one\teins\n" * 99 + b"a\tb\tc\n" * 900,
            {},
            "900 of the first 1,000 rows have a different number",
            id="nine-in-ten-are-rejects",
        ),
        pytest.param(b"a\tb\n", {"target_path": "x"}, "did you mean moses", id="target-path-of-a-tsv"),
        pytest.param(b"a\n", {"format": "moses"}, "target_path is missing", id="moses-without-target"),
        pytest.param(b"a\n", {"format": "moses", "target_path": "/"}, "/ cannot be read", id="folder-as-moses-target"),
        pytest.param(
            b"a\n", {"format": "moses", "target_path": "x", "header": True}, "header is given", id="moses-with-header"
        ),
        pytest.param(b"a\tb\n", {"split": "test"}, "split is given, but format is tsv", id="split-of-a-file"),
        pytest.param(b"a\tb\n", {"alignment_path": "/nowhere/links"}, "/nowhere/links cannot be read", id="no-links"),
        pytest.param(b"x" * (1 << 21), {}, "the first line has more than 1,048,576 bytes", id="no-lines"),
    ],
)
def test_corpora_that_cannot_be_used(
    tmp_path: Path, content: bytes | None, fields: dict[str, Any], message: str
) -> None:
    path = tmp_path / "c.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        check_corpus(corpus(path, **fields))


@pytest.mark.parametrize(
    ("pattern", "fields", "message"),
    [
        pytest.param("*.csv", {}, r"\*\.csv: no files found", id="nothing-matches"),
        pytest.param("**/a.tsv", {}, "is not supported", id="two-stars"),
        pytest.param("", {"format": "moses", "target_path": "x"}, "one entry to corpora for each pair", id="moses"),
        pytest.param("", {"alignment_path": "x"}, "has 2 files, but alignment_path", id="alignment"),
        pytest.param("", {}, r"b\.tsv has 3 columns, but .*a\.tsv of the same corpus has 2", id="unlike-columns"),
    ],
)
def test_folders_and_globs_that_cannot_be_used(
    tmp_path: Path, pattern: str, fields: dict[str, Any], message: str
) -> None:
    write(tmp_path / "a.tsv", b"one\teins\n")
    write(tmp_path / "b.tsv", b"two\tzwei\tx\n")
    with pytest.raises(InputError, match=message):
        check_corpus(corpus(tmp_path / pattern, **fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param(
            {}, r"b\.tsv: source_column is 1, which is de in its header, but en in .* of .*a\.tsv.gz", id="two"
        ),
        pytest.param(
            {"source_column": "en", "target_column": 2},
            r"target_column is 2, which is en .* but de in",
            id="one",
        ),
    ],
)
def test_headers_that_differ_in_numbered_columns(folder: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_corpus(corpus(folder, header=True, **fields))


def test_headers_may_differ_in_columns_that_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", b"en\tde\tweb\none\teins\tx\n")
    write(tmp_path / "b.tsv", b"en\tde \tscore\r\ntwo\tzwei\t1\n")
    check_corpus(corpus(tmp_path, header=True))


@pytest.mark.parametrize(
    "content", [pytest.param(b"", id="no-bytes"), pytest.param(b"en\tde\n", id="nothing-but-a-header")]
)
@pytest.mark.parametrize("name", ["0.tsv", "b.tsv.gz", "c/d.tsv"])
def test_empty_file_among_others(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path / "a.tsv", b"en\tde\none\teins\n")
    write(tmp_path / name, content)
    for read in (check_corpus, lambda config: list(read_rows(config)), lambda config: list(CappedRows(config))):
        with pytest.raises(InputError, match=rf"{name} is empty: it has no sentence pairs; delete it"):
            read(corpus(tmp_path, header=True, max_pairs=1))


@pytest.mark.parametrize(
    ("names", "warns"),
    [
        pytest.param(["_SUCCESS", ".a.tsv.crc"], False, id="marks-of-other-programs"),
        pytest.param(["_b.tsv", "_c/d.tsv"], True, id="rows"),
    ],
)
def test_hidden_files_among_others(
    tmp_path: Path, names: list[str], warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "a.tsv", b"one\teins\n")
    for name in names:
        write(tmp_path / name, b"")
    check_corpus(corpus(tmp_path))
    paths = listed([str(tmp_path / name) for name in names])  # which shortens long ones
    assert (f"2 files are skipped because of names that begin with . or _: {paths}; rename" in caplog.text) == warns
    assert bool(caplog.text) == warns
    assert [row.source for row in read_rows(corpus(tmp_path))] == ["one"]


@pytest.mark.parametrize(
    ("language", "message"),
    [
        pytest.param("", "'' is not a language code", id="none"),
        pytest.param("jp", r"'jp' is not a language code; did you mean ja\?", id="country"),
        pytest.param("de_AT", "'de_AT' is not in the usual form; give de-AT", id="other-form"),
        pytest.param("en", "source_lang and target_lang are both 'en'", id="both"),
    ],
)
def test_language_codes(tmp_path: Path, language: str, message: str) -> None:
    path = write(tmp_path / "c.tsv", b"a\tb\n")
    with pytest.raises(InputError, match=rf"c\.tsv: (target_lang )?{message}"):
        check_corpus(CorpusConfig(path=str(path), source_lang="en", target_lang=language))
