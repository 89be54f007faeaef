import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from corpus_files import corpus, write

from clism_core.preparation.corpus import CorpusConfig, check_corpus, read_rows
from clism_core.utils.encodings import utf8_chunks
from clism_core.utils.errors import InputError

ENGLISH = "The house on the hill is old."
TEXTS = {
    "de": "Größe und „Übermut“ – das schöne Mädchen läßt grüßen.",
    "ru": "Красота спасёт мир, сказал он в Москве.",
    "pl": "Zażółć gęślą jaźń w Łodzi.",
    "ar": "ذهب الولد إلى المدرسة في الصباح.",
    "he": "הילד הלך לבית הספר בבוקר.",
    "ja": "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。",
    "zh": "今天天气很好，我们去公园散步吧。",
    "zh-TW": "今天天氣很好，我們去公園散步吧。",
    "ko": "나는 학교에 갑니다. 오늘은 날씨가 좋습니다.",
    "th": "ภาษาไทยเป็นภาษาที่มีระดับเสียง",
    "hi": "लड़का सुबह स्कूल गया।",
}


def rows(language: str, encoding: str, *, count: int = 40) -> bytes:
    text = TEXTS[language].translate(str.maketrans("„“–", '""-')) if encoding == "latin-1" else TEXTS[language]
    return "".join(f"{ENGLISH} {number}\t{text}\n" for number in range(count)).encode(encoding)


def pair(path: Path, language: str = "de", **fields: Any) -> CorpusConfig:
    return CorpusConfig(path=str(path), source_lang="en", target_lang=language, **fields)


@pytest.mark.parametrize("name", ["c.tsv", "c.tsv.gz"])
@pytest.mark.parametrize(
    ("language", "encoding", "named"),
    [
        pytest.param("de", "latin-1", "cp1252", id="latin-1"),
        pytest.param("de", "cp1252", "cp1252", id="windows-western"),
        pytest.param("de", "mac_roman", "mac_roman", id="mac"),
        pytest.param("pl", "cp1250", "cp1250", id="windows-central"),
        pytest.param("pl", "iso8859_2", "iso8859_2", id="latin-2"),
        pytest.param("ru", "cp1251", "cp1251", id="windows-cyrillic"),
        pytest.param("ru", "koi8_r", "koi8_u", id="koi8"),
        pytest.param("ru", "cp866", "cp866", id="dos-cyrillic"),
        pytest.param("ar", "cp1256", "cp1256", id="windows-arabic"),
        pytest.param("he", "cp1255", "cp1255", id="windows-hebrew"),
        pytest.param("ja", "shift_jis", "cp932", id="shift-jis"),
        pytest.param("ja", "euc_jp", "euc_jp", id="euc-jp"),
        pytest.param("zh", "gb2312", "gb18030", id="chinese-simplified"),
        pytest.param("zh-TW", "big5", "big5hkscs", id="chinese-traditional"),
        pytest.param("ko", "euc_kr", "cp949", id="korean"),
        pytest.param("th", "tis_620", "cp874", id="thai"),
        pytest.param("de", "utf-16", "utf-16", id="utf-16-marked"),
        pytest.param("de", "utf-16-le", "utf-16-le", id="utf-16-le"),
        pytest.param("de", "utf-16-be", "utf-16-be", id="utf-16-be"),
        pytest.param("hi", "utf-16-le", "utf-16-le", id="utf-16-le-not-latin"),
        pytest.param("zh", "utf-16-be", "utf-16-be", id="utf-16-be-not-latin"),
        pytest.param("de", "utf-32", "utf-32", id="utf-32-marked"),
        pytest.param("de", "utf-32-be", "utf-32-be", id="utf-32-be"),
    ],
)
def test_the_error_names_the_encoding_with_which_the_text_can_be_read(
    tmp_path: Path, name: str, language: str, encoding: str, named: str
) -> None:
    path = write(tmp_path / name, rows(language, encoding))
    with pytest.raises(InputError, match=rf"{name} is .* give encoding: {named}, or convert it to UTF-8$"):
        check_corpus(pair(path, language))
    config = pair(path, language, encoding=named)
    check_corpus(config)
    expected = [line.split("\t") for line in rows(language, encoding).decode(encoding).splitlines()]
    assert [[row.source, row.target] for row in read_rows(config)] == expected


def test_a_misread_word_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", b"no\tnein\n" * 9 + rows("de", "cp1252"))
    with pytest.raises(InputError, match=r"is not in utf-8 but probably in cp1252 with 'Größe' in line 10; give"):
        check_corpus(pair(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            b"one\t\xa9\xae\xb1\n" * 9, r"is not in utf-8, as in line 1: '\\xa9.*'; give its enc", id="unknown"
        ),
        pytest.param(bytes(range(1, 255)) * 9 + b"\0", "is not a text file: it has NUL bytes", id="binary"),
        pytest.param(
            "ä\tÃ¤, Ã¼\n".encode() + "one\tschÃ¶nâ€¦\n".encode() * 9,
            "was converted to UTF-8 twice: it has 'schÃ¶nâ€¦' for 'schön…'",
            id="converted-twice",
        ),
        pytest.param(
            rows("hi", "utf-8").decode("latin-1").encode(), "was converted to UTF-8 twice", id="converted-twice-latin-1"
        ),
        pytest.param(b"one\teins\rtwo\tzwei", "has 1 carriage returns .* in 0 lines; convert", id="carriage-returns"),
        pytest.param(
            b"one\teins\n" * 20 + b"two\tzwei\r" * 4 + b"\n", "has 3 carriage returns .* in 21 lines", id="mixed-ends"
        ),
    ],
)
def test_texts_that_cannot_be_used(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path / "c.tsv", content)
    with pytest.raises(InputError, match=rf"c\.tsv {message}"):
        check_corpus(pair(path))


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        pytest.param(rows("de", "utf-8"), {}, id="utf-8"),
        pytest.param(rows("de", "utf-8-sig"), {}, id="utf-8-marked"),
        pytest.param(rows("de", "utf-8") + rows("de", "latin-1", count=9), {}, id="some-rows-in-another"),
        pytest.param(b"one\teins\xe4\n" * 2 + b"two\tzwei\n", {}, id="two-damaged-characters"),
        pytest.param(rows("de", "utf-8") + "Ã¤\tÃ¶\n".encode() * 9, {}, id="some-rows-converted-twice"),
        pytest.param("São Tomé\tà Â «\n".encode() * 9, {}, id="accents-that-are-no-utf-8"),
        pytest.param(b"one\r\n".replace(b"\r", b"\teins\r") * 9, {}, id="windows-line-ends"),
        pytest.param(b"one\teins\rx\n" + b"two\tzwei\n" * 30, {}, id="a-carriage-return-within-a-row"),
        pytest.param("one\x85\tzwei\x0b\x0cdrei\u2028\n".encode() * 9, {}, id="line-ends-of-unicode"),
        pytest.param(b"one\teins\0\n" + b"two\tzwei\n" * 99, {}, id="one-nul"),
        pytest.param(rows("de", "utf-8"), {"encoding": "utf8"}, id="another-name-of-utf-8"),
        pytest.param(b"one\teins\n", {"encoding": "cp1252"}, id="ascii-as-another"),
    ],
)
def test_texts_that_can_be_used(tmp_path: Path, content: bytes, fields: dict[str, Any]) -> None:
    path = write(tmp_path / "c.tsv", content)
    check_corpus(pair(path, **fields))
    assert len(list(read_rows(pair(path, **fields)))) == content.count(b"\n")


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        pytest.param("cp1252", "is in UTF-8, not in cp1252, which would turn .* omit encoding", id="utf-8-as-another"),
        pytest.param("utf-16", "is in UTF-8, not in utf-16", id="utf-8-as-utf-16"),
        pytest.param("utf-32", "is in UTF-8, not in utf-32", id="utf-8-as-utf-32"),
        pytest.param("klingon", "encoding 'klingon' is unknown; give one such as", id="unknown"),
        pytest.param("undefined", "encoding 'undefined' is unknown", id="always-fails"),
        pytest.param("base64", "encoding 'base64' is unknown", id="not-for-text"),
    ],
)
def test_encodings_that_do_not_fit(tmp_path: Path, encoding: str, message: str) -> None:
    path = write(tmp_path / "c.tsv", rows("de", "utf-8"))
    with pytest.raises(InputError, match=message):
        check_corpus(pair(path, encoding=encoding))


def test_utf_16_without_a_mark(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", rows("de", "utf-16-be"))
    with pytest.raises(InputError, match=r"is not in utf-16: .* BOM; give its encoding, such as utf-16-le"):
        check_corpus(pair(path, encoding="utf-16"))
    with pytest.raises(InputError, match=r"cannot be read: .* BOM"):
        list(read_rows(pair(path, encoding="utf-16")))


def test_both_files_of_a_moses_pair(tmp_path: Path) -> None:
    write(tmp_path / "c.en", b"one\ntwo\n")
    path = write(tmp_path / "c.de", "größer\nkälter\nzäh\n".encode("cp1252"))
    config = pair(tmp_path / "c.en", format="moses", target_path=str(path))
    with pytest.raises(InputError, match=r"c\.de is not in utf-8 but probably in cp1252"):
        check_corpus(config)


def test_json_lines_in_utf_16(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", '{"en": "one", "de": "ähnlich"}\n'.encode("utf-16"))
    fields: dict[str, Any] = {"format": "jsonl", "source_column": "en", "target_column": "de"}
    with pytest.raises(InputError, match="is in UTF-16; give encoding: utf-16"):
        check_corpus(pair(path, **fields))
    assert [row.target for row in read_rows(pair(path, **fields, encoding="utf-16"))] == ["ähnlich"]


def test_encoding_of_a_format_that_has_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="encoding is given, but format is tmx, which does not use it"):
        check_corpus(corpus(write(tmp_path / "c.tmx", b"<tmx/>"), format="tmx", encoding="cp1252"))


@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0"?>', "<?xml version='1.0' encoding='UTF-8'?>"])
def test_tmx_in_another_encoding_than_it_declares(tmp_path: Path, declaration: str) -> None:
    units = "<tu><tuv xml:lang='en'><seg>x</seg></tuv><tuv xml:lang='de'><seg>Größe äöü</seg></tuv></tu>"
    path = write(tmp_path / "c.tmx", f"{declaration}<tmx>{units}</tmx>".encode("cp1252"))
    with pytest.raises(InputError, match=r'is not in UTF-8, the encoding of XML .*; declare it: <\?xml .*="cp1252"'):
        check_corpus(corpus(path, format="tmx"))


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "shift_jis", "gb18030"])
@pytest.mark.parametrize("size", [8, 16, 1 << 16])
def test_chunks_have_at_most_the_given_size(encoding: str, size: int) -> None:
    text = "The € of 5\n" * 9 if encoding == "cp1252" else "名前はまだ無い\n" * 9
    chunks = list(utf8_chunks(io.BytesIO(text.encode(encoding)), encoding, size=size))
    assert b"".join(chunks).decode() == text
    assert max(map(len, chunks)) <= size


def test_beginning_that_ends_within_a_character(tmp_path: Path) -> None:
    content = b"x" + "ä\tö\n".encode() * (1 << 18)  # the second byte of a character is the first one not checked
    path = tmp_path / "c.tsv.gz"
    path.write_bytes(gzip.compress(content, 1))
    check_corpus(pair(path))
