from pathlib import Path
from typing import Any

import pytest
from corpus_files import corpus, write
from guide import load_example

from clism_core.preparation.corpus import CappedRows, check_corpus, read_rows
from clism_core.preparation.corpus.formats import FORMATS
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError

NAME: Any = "bars"


@pytest.fixture(autouse=True)
def example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, NAME, load_example("Add a corpus format").FORMAT)


def test_a_new_format_is_read_with_its_rejects(tmp_path: Path) -> None:
    config = corpus(write(tmp_path / "c.txt.gz", b"a b ||| c\nno bar\nd ||| e ||| f\ng ||| \xff\n"), format=NAME)
    assert [(row.line, row.source, row.target, row.reason) for row in read_rows(config)] == [
        (1, "a b", "c", None),
        (2, None, None, RejectReason.WRONG_COLUMN_COUNT),
        (3, None, None, RejectReason.WRONG_COLUMN_COUNT),
        (4, "g", "\ufffd", None),
    ]


def test_a_new_format_is_capped(tmp_path: Path) -> None:
    rows = CappedRows(corpus(write(tmp_path / "c.txt", b"a ||| b\n" * 5), format=NAME, max_pairs=2))
    assert [row.line for row in rows] == [1, 2]
    assert rows.beyond_cap == 3


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        pytest.param(b"a\tb\n" * 9, {}, r"9 of the first 9 rows are not of the form `source \|\|\| target`", id="rows"),
        pytest.param(b"a ||| b\n", {"header": True}, "header is given, but format is bars, .* mean tsv", id="field"),
    ],
)
def test_a_new_format_is_checked(tmp_path: Path, content: bytes, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_corpus(corpus(write(tmp_path / "c.txt", content), format=NAME, **fields))
