import tracemalloc
from pathlib import Path

import pytest
from corpus_files import corpus, write

from clism_core.preparation.corpus import CappedRows, CorpusConfig, RawRow, check_corpus, read_rows
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4">\n<header/><body>\n'
)
TAIL = "</body></tmx>"


def tuv(lang: str, seg: str) -> str:
    return f'<tuv xml:lang="{lang}"><seg>{seg}</seg></tuv>'


def tmx(path: Path, *units: str, encoding: str = "utf-8") -> Path:
    head = HEAD.replace("UTF-8", encoding)
    return write(path, (head + "\n".join(f"<tu>{unit}</tu>" for unit in units) + TAIL).encode(encoding))


def only_row(path: Path) -> RawRow:
    (row,) = read_rows(corpus(path, format="tmx"))
    return row


@pytest.mark.parametrize("name", ["c.tmx", "c.tmx.gz", "c.tmx.zst"])
def test_tmx(tmp_path: Path, name: str) -> None:
    path = tmx(
        tmp_path / name,
        '<prop type="score">0.9</prop><note>a note</note>'
        + tuv("en", "Fish &amp; <![CDATA[<chips>]]>")
        + tuv("de", "ä"),
        tuv("de", "eins"),
        tuv("en", "two") + tuv("fr", "deux"),
        tuv("fr", "trois"),
        tuv("de", "") + tuv("en", "four"),
    )
    assert list(read_rows(corpus(path, format="tmx"))) == [
        RawRow(str(path), 1, "Fish & <chips>", "ä"),
        RawRow(str(path), 2, None, "eins", reason=RejectReason.EMPTY_SOURCE),
        RawRow(str(path), 3, "two", None, reason=RejectReason.EMPTY_TARGET),
        RawRow(str(path), 4, reason=RejectReason.EMPTY_SOURCE),
        RawRow(str(path), 5, "four", ""),
    ]


@pytest.mark.parametrize(
    ("seg", "expected"),
    [
        pytest.param('a <bpt i="1">&lt;b></bpt>bold<ept i="1">&lt;/b></ept> word', "a bold word", id="paired-codes"),
        pytest.param('one<ph x="1">&lt;br/></ph> <it>&lt;i></it>two<ut>\\x</ut>', "one  two ", id="lone-codes"),
        pytest.param("Press<ph>&lt;br/></ph>Enter", "Press Enter", id="words-beside-a-lone-code"),
        pytest.param("<ph>{0}</ph>un<bpt>&lt;b></bpt>do<ept>&lt;/b></ept>", "undo", id="codes-within-a-word"),
        pytest.param("see<ph>&lt;img alt='<sub>cat</sub>'></ph>now", "see cat now", id="words-beside-a-subflow"),
        pytest.param("a <hi>high<ph>{0}</ph>light</hi>", "a high light", id="highlight"),
        pytest.param("see <ph>&lt;img alt='<sub>a <hi>cat</hi></sub>'></ph>", "see a cat ", id="subflow"),
        pytest.param("see <ph>&lt;b><hi>code</hi>&lt;/b></ph>", "see ", id="highlighted-code"),
        pytest.param("line\n  two", "line\n  two", id="white-space-stays"),
    ],
)
def test_inline_elements(tmp_path: Path, seg: str, expected: str) -> None:
    assert only_row(tmx(tmp_path / "c.tmx", tuv("en", seg) + tuv("de", "x"))).source == expected


@pytest.mark.parametrize(
    ("variants", "expected"),
    [
        pytest.param([("EN", "one"), ("DE", "eins")], ("one", "eins"), id="case"),
        pytest.param([("en-US", "color"), ("de_AT", "Jänner")], ("color", "Jänner"), id="prefix"),
        pytest.param([("en-US", "color"), ("en", "colour"), ("de", "x")], ("colour", "x"), id="exact-code-first"),
        pytest.param([("en-GB", "colour"), ("en-US", "color"), ("de", "x")], ("colour", "x"), id="first-of-two-kinds"),
        pytest.param([("de", "x"), ("en", "one"), ("de", "y")], ("one", "x"), id="first-of-one-language"),
        pytest.param([("de", " "), ("en", "one"), ("de", "y")], ("one", "y"), id="first-with-text"),
        pytest.param([("en-GB", ""), ("en-US", "color"), ("de", "x")], ("color", "x"), id="first-kind-with-text"),
        pytest.param([("en", "\n"), ("en-GB", "colour"), ("de", "x")], ("colour", "x"), id="text-before-exact-code"),
        pytest.param([("en", "one"), ("de", ""), ("de-AT", " ")], ("one", ""), id="none-with-text"),
        pytest.param([("enm", "oon"), ("de", "x")], (None, "x"), id="another-language-that-begins-alike"),
    ],
)
def test_languages(tmp_path: Path, variants: list[tuple[str, str]], expected: tuple[str | None, str | None]) -> None:
    row = only_row(tmx(tmp_path / "c.tmx", "".join(tuv(lang, seg) for lang, seg in variants)))
    assert (row.source, row.target) == expected


@pytest.mark.parametrize(
    ("source_lang", "target_lang", "expected"),
    [
        pytest.param("pt-BR", "pt", ("rio", "porto"), id="variant-of-the-other-side"),
        pytest.param("pt", "pt-BR", ("porto", "rio"), id="variant-first"),
        pytest.param("pt-AO", "pt", (None, "rio"), id="missing-variant"),
        pytest.param("pt-BR", "pt-PT", ("rio", "porto"), id="two-variants"),
        pytest.param("pt-br", "es", ("rio", "río"), id="three-letter-code"),
    ],
)
def test_variants_of_one_language(
    tmp_path: Path, source_lang: str, target_lang: str, expected: tuple[str | None, str | None]
) -> None:
    path = tmx(tmp_path / "c.tmx", tuv("pt-BR", "rio") + tuv("por-PT", "porto") + tuv("spa", "río"))
    (row,) = read_rows(CorpusConfig(path=str(path), source_lang=source_lang, target_lang=target_lang, format="tmx"))
    assert (row.source, row.target) == expected


def test_blank_texts_are_not_missing_languages(tmp_path: Path) -> None:
    path = tmx(tmp_path / "c.tmx", *[tuv("en", "") + tuv("de", "eins")] * 20)
    check_corpus(corpus(path, format="tmx"))


def test_requested_region(tmp_path: Path) -> None:
    path = tmx(tmp_path / "c.tmx", tuv("pt-PT", "um") + tuv("pt-br", "dois") + tuv("en", "two"))
    config = CorpusConfig(path=str(path), source_lang="en", target_lang="pt_BR", format="tmx")
    assert [row.target for row in read_rows(config)] == ["dois"]


def test_lang_attribute_of_older_files(tmp_path: Path) -> None:
    unit = '<tuv lang="EN-US"><seg>one</seg></tuv><tuv lang="DE-DE"><seg>eins</seg></tuv>'
    row = only_row(tmx(tmp_path / "c.tmx", unit))
    assert (row.source, row.target) == ("one", "eins")


def test_declared_encoding_is_used(tmp_path: Path) -> None:
    path = tmx(tmp_path / "c.tmx", tuv("en", "one") + tuv("de", "größer"), encoding="utf-16")
    check_corpus(corpus(path, format="tmx"))
    assert only_row(path).target == "größer"


@pytest.mark.parametrize("encoding", ["gb2312", "utf-32", "nonsense"])
def test_unknown_declared_encodings(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "c.tmx", HEAD.replace("UTF-8", encoding).encode())
    with pytest.raises(InputError, match=r"c\.tmx: the encoding that it declares cannot be read: .*; convert the file"):
        check_corpus(corpus(path, format="tmx"))


def test_named_entities_of_html(tmp_path: Path) -> None:
    path = tmx(
        tmp_path / "c.tmx",
        tuv("en", "Cologne&mdash;and&nbsp;Zurich &lt;&#233;&AMP;") + tuv("de", "K&ouml;ln<ph>&unknown;</ph>&hellip;"),
    )
    row = only_row(path)
    assert (row.source, row.target) == ("Cologne\u2014and\u00a0Zurich <\u00e9&", "K\u00f6ln \u2026")


def test_entity_that_only_the_external_dtd_may_define(tmp_path: Path) -> None:
    path = tmx(tmp_path / "c.tmx", tuv("en", "one") + tuv("de", "eins"), tuv("en", "My &product;") + tuv("de", "x"))
    with pytest.raises(InputError, match=r"c\.tmx, line 6: undefined entity &product;; replace it"):
        check_corpus(corpus(path, format="tmx"))


def test_overlong_text(tmp_path: Path) -> None:
    path = tmx(
        tmp_path / "c.tmx", tuv("en", "x" * ((1 << 20) + 1)) + tuv("de", "eins"), tuv("en", "a") + tuv("de", "b")
    )
    rows = list(read_rows(corpus(path, format="tmx")))
    assert [(row.source, row.target, row.reason) for row in rows] == [
        (None, "eins", RejectReason.TOO_LONG),
        ("a", "b", None),
    ]


def test_units_beyond_the_cap_are_counted(tmp_path: Path) -> None:
    path = tmx(tmp_path / "c.tmx", *(tuv("en", f"{number}") + tuv("de", "x") for number in range(5)))
    rows = CappedRows(corpus(path, format="tmx", max_pairs=2))
    assert [row.source for row in rows] == ["0", "1"]
    assert rows.beyond_cap == 3


@pytest.mark.parametrize(
    ("unit", "count"),
    [
        pytest.param("<tu>" + tuv("en", "a word " * 60) + tuv("de", "ein Wort " * 40) + "</tu>\n", 20_000, id="units"),
        pytest.param("<tu>" + tuv("en", "x" * 20_000_000) + tuv("de", "x") + "</tu>", 1, id="one-long-text"),
    ],
)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, unit: str, count: int) -> None:
    path = write(tmp_path / "c.tmx.gz", (HEAD + unit * count + TAIL).encode())  # about 20 MB
    tracemalloc.start()
    assert sum(1 for _ in read_rows(corpus(path, format="tmx"))) == count
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 << 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(HEAD + "<tu>\n</tuv>", "line 6: not well-formed XML: mismatched tag", id="mismatched-tag"),
        pytest.param(HEAD + "<tu>" + tuv("en", "a"), "line 5: not well-formed XML: .*; fix", id="truncated"),
        pytest.param("en\tde\n", "line 1: not well-formed XML", id="no-xml"),
        pytest.param("<html/>", "root element is <html>", id="another-kind-of-xml"),
        pytest.param('<!DOCTYPE tmx [<!ENTITY a "b">]><tmx/>', "declares XML entities", id="entity"),
        pytest.param('<!DOCTYPE tmx [<!ENTITY % a SYSTEM "x"> %a;]><tmx/>', "declares XML entities", id="parameter"),
        pytest.param("<tmx><tu>" + tuv("en", "&nbsp;"), "line 1: .* undefined entity", id="entity-without-dtd"),
        pytest.param('<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/hostname">]><tmx/>', "XML entities", id="outside"),
        pytest.param(
            HEAD + ("<tu>" + tuv("EN-GB", "one") + tuv("nl", "een") + "</tu>") * 20 + TAIL,
            "20 of the first 20 rows lack en or de; the languages of the file are en-gb, nl",
            id="other-languages",
        ),
        pytest.param(HEAD + TAIL, "is empty", id="no-units"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path / "c.tmx", content.encode())
    with pytest.raises(InputError, match=message):
        check_corpus(corpus(path, format="tmx"))
