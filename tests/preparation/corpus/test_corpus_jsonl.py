from pathlib import Path
from typing import Any

import pytest
from corpus_files import corpus, write

from clism_core.preparation.corpus import CappedRows, CorpusConfig, RawRow, check_corpus, read_rows
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError


def jsonl(path: Path, **fields: Any) -> CorpusConfig:
    return corpus(path, format="jsonl", **({"source_column": "en", "target_column": "de"} | fields))


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz", "c.jsonl.zst"])
def test_jsonl(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, b'{"en": "one", "de": "eins", "from": "web"}\n{"de": "zwei", "en": "\\u0074wo"}\n')
    assert list(read_rows(jsonl(path, origin_column="from"))) == [
        RawRow(str(path), 1, "one", "eins", "web"),
        RawRow(str(path), 2, "two", "zwei"),
    ]


def test_dotted_paths(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", b'{"translation": {"en": "one", "de": "eins"}, "meta": {"by": {"url": "x"}}}')
    config = jsonl(path, source_column="translation.en", target_column="translation.de", origin_column="meta.by.url")
    assert list(read_rows(config)) == [RawRow(str(path), 1, "one", "eins", "x")]


def test_field_whose_own_name_has_dots(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.jsonl",
        b'{"t.en": "one", "t.de": "eins"}\n{"t.en": "two", "t": {"en": "zwo", "de": "zwei"}}\n{"t": {"en": "six"}}\n',
    )
    rows = read_rows(jsonl(path, source_column="t.en", target_column="t.de"))
    assert [(row.source, row.target) for row in rows] == [("one", "eins"), ("two", "zwei"), ("six", None)]


@pytest.mark.parametrize(
    ("line", "source", "target", "reason"),
    [
        pytest.param(b"", None, None, RejectReason.INVALID_RECORD, id="empty-line"),
        pytest.param(b'{"en": "one", "de"', None, None, RejectReason.INVALID_RECORD, id="broken"),
        pytest.param(b'["one", "eins"]', None, None, RejectReason.INVALID_RECORD, id="array"),
        pytest.param(b"[" * 100_000, None, None, RejectReason.INVALID_RECORD, id="nested-too-deeply"),
        pytest.param(b'{"en": "one"}', "one", None, RejectReason.INVALID_RECORD, id="no-target"),
        pytest.param(b'{"en": 1, "de": "eins"}', None, "eins", RejectReason.INVALID_RECORD, id="number"),
        pytest.param(b'{"en": "one", "de": null}', "one", None, RejectReason.INVALID_RECORD, id="null"),
        pytest.param(b'{"en": "one", "de": {"x": "y"}}', "one", None, RejectReason.INVALID_RECORD, id="object"),
        pytest.param(b'{"en": "", "de": "eins"}', "", "eins", None, id="empty-text"),
        pytest.param(b'{"en": "a\\ud800b", "de": "eins"}', "a\ufffdb", "eins", None, id="lone-surrogate"),
        pytest.param(b'{"en": "\\ud83d\\ude00", "de": "eins"}', "\U0001f600", "eins", None, id="surrogate-pair"),
        pytest.param(b'{"en": "caf\xe9", "de": "eins"}', "caf\ufffd", "eins", None, id="invalid-utf8"),
        pytest.param(
            b'{"en": "' + b"x" * (1 << 20) + b'", "de": "eins"}', None, None, RejectReason.TOO_LONG, id="overlong"
        ),
    ],
)
def test_records(
    tmp_path: Path, line: bytes, source: str | None, target: str | None, reason: RejectReason | None
) -> None:
    path = write(tmp_path / "c.jsonl", b"{}\n" + line + b"\n")
    rows = list(read_rows(jsonl(path)))
    assert rows[1:] == [RawRow(str(path), 2, source, target, reason=reason)]


def test_path_through_a_text_finds_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", b'{"en": "one", "de": "eins"}\n')
    (row,) = read_rows(jsonl(path, target_column="de.text"))
    assert (row.source, row.target, row.reason) == ("one", None, RejectReason.INVALID_RECORD)


@pytest.mark.parametrize(
    ("value", "origin"),
    [
        pytest.param(b"3", "3", id="integer"),
        pytest.param(b"2.5", "2.5", id="decimal"),
        pytest.param(b"null", None, id="null"),
        pytest.param(b"true", None, id="truth-value"),
        pytest.param(b'["web"]', None, id="list"),
        pytest.param(b'{"url": "web"}', None, id="object"),
    ],
)
def test_origin_that_is_not_text(tmp_path: Path, value: bytes, origin: str | None) -> None:
    path = write(tmp_path / "c.jsonl", b'{"en": "one", "de": "eins", "from": ' + value + b"}\n")
    assert list(read_rows(jsonl(path, origin_column="from"))) == [RawRow(str(path), 1, "one", "eins", origin)]


def test_one_file_without_origins_is_valid(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", b'{"en": "one", "de": "eins", "from": null}\n')
    write(tmp_path / "b.jsonl", b'{"en": "two", "de": "zwei", "from": "web"}\n')
    check_corpus(jsonl(tmp_path, origin_column="from"))


def test_lines_beyond_the_cap_are_counted(tmp_path: Path) -> None:
    rows = CappedRows(jsonl(write(tmp_path / "c.jsonl", b'{"en": "one", "de": "eins"}\n' * 5), max_pairs=2))
    assert [row.line for row in rows] == [1, 2]
    assert rows.beyond_cap == 3


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        pytest.param(
            b'{"translation": {"en": "one", "de": "eins"}, "id": 3}\n' * 20,
            {},
            "20 of the first 20 rows are not a JSON object .* in en and de; the first line has text in translation.en, "
            "translation.de",
            id="other-fields",
        ),
        pytest.param(
            b'{"\\u001b]0;x": "one", "' + b"y" * 81 + b'": "eins"}\n' * 20,
            {},
            r"text in \\x1b\]0;x, y{80}\.\.\.$",
            id="names-that-are-no-names",
        ),
        pytest.param(
            b'[\n{"en": "one",\n"de": "eins"}\n]\n', {}, "the first line is not a JSON object", id="one-array"
        ),
        pytest.param(
            b'{"en": "one", "de": "eins"}\n',
            {"origin_column": "url"},
            "origin_column 'url' not found in any of the 1 rows checked; in .* the first line has text in en, de",
            id="no-origin",
        ),
        pytest.param(
            b'{"en": "one", "de": "eins", "en": "two"}\n',
            {},
            "the first line has several fields 'en'; rename all but one",
            id="fields-of-one-name",
        ),
        pytest.param(
            b'{"t": {"en": "one", "de": "eins", "de": "zwei"}}\n',
            {"source_column": "t.en", "target_column": "t.de"},
            "the first line has several fields 'de'",
            id="nested-fields-of-one-name",
        ),
        pytest.param(
            b"{}\n", {"source_column": 1}, "source_column is 1, but fields of format jsonl have names", id="number"
        ),
        pytest.param(b"{}\n", {"header": True}, "header is given, but format is jsonl", id="header"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: bytes, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_corpus(jsonl(write(tmp_path / "c.jsonl", content), **fields))


def test_80_percent_bad_lines_are_rejects_and_not_an_error(tmp_path: Path) -> None:
    lines = [b'{"en": "one", "de": "eins"}\n' if number % 5 == 0 else b"{\n" for number in range(20)]
    check_corpus(jsonl(write(tmp_path / "c.jsonl", b"".join(lines))))
