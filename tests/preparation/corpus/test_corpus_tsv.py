from pathlib import Path

import pytest
from corpus_files import corpus, write

from clism_core.preparation.corpus import RawRow, read_rows
from clism_core.preparation.schema import RejectReason


@pytest.mark.parametrize("name", ["c.tsv", "c.tsv.gz", "c.tsv.zst"])
def test_tsv(tmp_path: Path, name: str) -> None:
    file = write(
        tmp_path / name, b"\xef\xbb\xbfone\teins\tx\ntwo\r\tzw\xc2\x85ei\ty\n\nthree\tdrei\tz\t!\ncaf\xe9\tvier\tw"
    )
    path = str(file)
    assert list(read_rows(corpus(file, origin_column=3))) == [
        RawRow(path, 1, "one", "eins", "x"),
        RawRow(path, 2, "two\r", "zw\x85ei", "y"),
        RawRow(path, 3, reason=RejectReason.WRONG_COLUMN_COUNT),
        RawRow(path, 4, reason=RejectReason.WRONG_COLUMN_COUNT),
        RawRow(path, 5, "caf\ufffd", "vier", "w"),
    ]


def test_columns_by_name_count_the_header_as_line_1(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", b"id\tde\ten\r\n7\teins\tone\r\n")
    config = corpus(path, header=True, source_column="en", target_column="de")
    assert list(read_rows(config)) == [RawRow(str(path), 2, "one\r", "eins")]


def test_overlong_line_is_a_row_without_texts(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", b"one\teins\n" + b"x" * (1 << 20) + b"\teins\ntwo\tzwei\n")
    assert list(read_rows(corpus(path))) == [
        RawRow(str(path), 1, "one", "eins"),
        RawRow(str(path), 2, reason=RejectReason.TOO_LONG),
        RawRow(str(path), 3, "two", "zwei"),
    ]


def test_moses(tmp_path: Path) -> None:
    source, target = write(tmp_path / "c.en", b"a\tb\n\n"), write(tmp_path / "c.de.gz", b"x\ny\n")
    config = corpus(source, format="moses", target_path=str(target))
    assert list(read_rows(config)) == [
        RawRow(str(source), 1, "a\tb", "x"),
        RawRow(str(source), 2, "", "y"),
    ]


def test_alignment_of_a_file_with_header(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", b"en\tde\none\teins\nbad line\ntwo\tzwei\nsix\tsechs\n")
    links = write(tmp_path / "links", b"0-0\n1-1\n\n" + b"0" * (2 << 20) + b"\n")
    rows = list(read_rows(corpus(path, header=True, alignment_path=str(links))))
    assert [(row.line, row.source, row.alignment, row.reason) for row in rows] == [
        (2, "one", "0-0", None),
        (3, None, "1-1", RejectReason.WRONG_COLUMN_COUNT),
        (4, "two", "", None),
        (5, "six", None, RejectReason.INVALID_ALIGNMENT),
    ]
