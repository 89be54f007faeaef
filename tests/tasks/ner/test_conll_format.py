from pathlib import Path

import pytest

from clism_core.tasks.ner.config import CONLL_TYPES
from clism_core.tasks.ner.conll_format import Sentence, TaggedFile, read_tagged
from clism_core.utils import storage
from clism_core.utils.errors import InputError

ENGLISH = """-DOCSTART- -X- -X- O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC

Ann NNP I-NP I-PER
Lee NNP I-NP I-PER
Bob NNP I-NP B-PER
-DOCSTART- -X- O
Rome NNP I-NP I-LOC
"""
SPANISH = """La DA B-LOC
Coruña NC I-LOC
, Fc O

Río NC I-LOC
"""


def write(path: Path, text: str, *, encoding: str = "utf-8") -> str:
    path.write_bytes(text.encode(encoding))
    return str(path)


def sentence(*pairs: str) -> Sentence:
    """Return the sentence of `token/tag`s."""
    tokens, tags = zip(*(pair.rsplit("/", 1) for pair in pairs), strict=True)
    return Sentence(tokens, tags)


def test_conll_2003_is_iob1_with_document_lines(tmp_path: Path) -> None:
    found = read_tagged(write(tmp_path / "eng.train", ENGLISH), types=CONLL_TYPES)
    assert found == TaggedFile(
        sentences=(
            sentence("EU/B-ORG", "rejects/O", "German/B-MISC"),
            sentence("Ann/B-PER", "Lee/I-PER", "Bob/B-PER"),
            sentence("Rome/B-LOC"),
        ),
        scheme="IOB1",
        repaired=0,
    )
    assert found.entities == {"LOC": 1, "MISC": 1, "ORG": 1, "PER": 2}


def test_conll_2002_is_iob2_with_a_mistake(tmp_path: Path) -> None:
    # esp.train, esp.testa and esp.testb each have one sentence like the second.
    text = SPANISH + "\nPor SP O\nAna NC B-PER\n"
    assert read_tagged(write(tmp_path / "esp.testa", text)) == TaggedFile(
        sentences=(
            sentence("La/B-LOC", "Coruña/I-LOC", ",/O"),
            sentence("Río/B-LOC"),
            sentence("Por/O", "Ana/B-PER"),
        ),
        scheme="IOB2",
        repaired=1,
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Rome\tB-LOC\n,\tO\n\nAnn\tB-PER", id="no-prefixes"),
        pytest.param("en:Rome\tB-LOC\nen:,\tO\n\nen:Ann\tB-PER\n", id="prefixes"),
        pytest.param("zh-min-nan:Rome\tB-LOC\nde:,\tO\n\nsimple:Ann\tB-PER\n", id="several-languages"),
        pytest.param("Rome\tB-LOC\r\n,\tO\r\n\r\n\r\nAnn\tB-PER\r\n\r\n", id="windows-lines"),
        pytest.param("Rome\tB-LOC\r,\tO\r\rAnn\tB-PER\r", id="classic-mac-lines"),
        pytest.param("Rome\tB-LOC\r\r\n,\tO\r\r\n\r\r\nAnn\tB-PER\r", id="lines-converted-twice"),
        pytest.param("\n \nRome B-LOC \n,  O\n\t\nAnn \t B-PER\n", id="spaces"),
        pytest.param("\ufeffRome\tB-LOC\n,\tO\n\nAnn\tB-PER\n", id="byte-order-mark"),
        pytest.param("Rome\tNNP\tx y\tB-LOC\n,\t\tx\tO\n\nAnn\tNNP\t\tB-PER\n", id="empty-column-between"),
    ],
)
def test_layouts(tmp_path: Path, text: str) -> None:
    found = read_tagged(write(tmp_path / "x.tsv", text))
    assert found.sentences == (sentence("Rome/B-LOC", ",/O"), sentence("Ann/B-PER"))


@pytest.mark.parametrize("token", ["\xa0", "\u2028", "\x85", "New York", ":", "a:b", "-DOCSTART"])
def test_tokens_are_kept_verbatim(tmp_path: Path, token: str) -> None:
    found = read_tagged(write(tmp_path / "x.tsv", f"{token}\tB-LOC\nin\tO\nIta\tO\n"))
    assert found.sentences == (sentence(f"{token}/B-LOC", "in/O", "Ita/O"),)


def test_only_the_language_prefix_is_removed(tmp_path: Path) -> None:
    found = read_tagged(write(tmp_path / "x.tsv", "en::\tO\nen:de:x\tB-ORG\n"))
    assert found.sentences == (sentence(":/O", "de:x/B-ORG"),)


def test_text_that_was_converted_to_utf_8_twice_is_rejected(tmp_path: Path) -> None:
    twice = "".join(f"{name.encode().decode('cp1252')} B-LOC\n" for name in ("Köln", "Zürich", "Besançon"))
    with pytest.raises(InputError, match="was converted to UTF-8 twice: it has 'KÃ¶ln' for 'Köln'"):
        read_tagged(write(tmp_path / "x.conll", twice))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])
def test_a_utf_8_file_in_another_encoding_is_rejected(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "esp.train", SPANISH)
    with pytest.raises(
        InputError,
        match=rf"esp\.train is in UTF-8, not in {encoding}, which would turn 'Coruña' in line 2 into '.+'; .* utf-8",
    ):
        read_tagged(path, encoding=encoding)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        pytest.param(ENGLISH, "latin-1", id="ascii-has-no-encoding"),
        pytest.param(SPANISH, "utf-8-sig", id="with-a-byte-order-mark"),
        pytest.param(SPANISH, "utf-16", id="utf-16"),
        pytest.param("Ã± B-LOC\nñ O\n", "latin-1", id="the-letters-themselves"),
    ],
)
def test_other_encodings(tmp_path: Path, text: str, encoding: str) -> None:
    found = read_tagged(write(tmp_path / "x", text, encoding=encoding), encoding=encoding)
    assert found == read_tagged(write(tmp_path / "y", text))


def test_latin_1_read_as_utf_8_is_rejected(tmp_path: Path) -> None:
    path = write(tmp_path / "esp.train", SPANISH, encoding="latin-1")
    with pytest.raises(
        InputError, match=r"esp\.train, line 2: byte 0xf1 is invalid in encoding utf-8; .* encoding: latin-1"
    ):
        read_tagged(path)
    assert read_tagged(path, encoding="latin-1").sentences[0].tokens == ("La", "Coruña", ",")


@pytest.mark.parametrize("encoding", ["latin-one", "base64"])
def test_an_unknown_encoding_is_rejected(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(InputError, match=f"encoding '{encoding}' is unknown"):
        read_tagged(write(tmp_path / "x", SPANISH), encoding=encoding)


def test_files_in_a_bucket(bucket: str) -> None:
    storage.write_bytes(f"{bucket}/x.tsv", b"Rome\tB-LOC\n")
    assert read_tagged(f"{bucket}/x.tsv").sentences == (sentence("Rome/B-LOC"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "has no sentences", id="empty"),
        pytest.param("\n-DOCSTART- -X- O\n\n", "has no sentences", id="documents-only"),
        pytest.param("Rome\nO\n", "line 1: the number of columns is 1 instead of two or more", id="one-column"),
        pytest.param(
            "a DT O\n\nRome NNP I-NP B-LOC\n",
            "line 3: the number of columns is 4 instead of 3, as on the first",
            id="mixed",
        ),
        pytest.param("a\tO\nRome B-LOC\n", "line 2: the number of columns is 1 instead of 2", id="tab-is-missing"),
        pytest.param("a\tO\n\tO\n", "line 2: a tag without a token", id="no-token"),
        pytest.param("en:a\tO\nen:\tO\n", "line 2: a language prefix without a token", id="no-token-after-language"),
        pytest.param("en:a\tO\nen:b\tO\nRome\tO\n", "line 3: token 'Rome' has no language prefix", id="no-language"),
        pytest.param("a O\nin O\rRome B-LOC\n", "line 2: a carriage return within the line", id="mixed-line-ends"),
        pytest.param("a\0 O\n", "NUL bytes, the first in line 1", id="nul"),
        pytest.param("0 In O\n1 Rome B-LOC\n\n0 Ann B-PER\n", "the first column numbers the tokens", id="numbered"),
        pytest.param("a O\nRome NNP\n", "line 2: 'NNP' is not a valid tag", id="no-tag"),
        pytest.param("Rome B-\n", "line 1: 'B-' is not a valid tag", id="no-type"),
        pytest.param("Rome B\n", "line 1: 'B' is not a valid tag", id="prefix-only"),
        pytest.param("Rome L-LOC\n", "line 1: 'L-LOC' is not a valid tag", id="other-prefix"),
        pytest.param("a O\nRome B-GPE\n", "line 2: type 'GPE' is not among PER, LOC, ORG, MISC", id="type"),
    ],
)
def test_invalid_files_are_rejected(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "x.conll", text)
    with pytest.raises(InputError, match=message) as raised:
        read_tagged(path, types=CONLL_TYPES)
    assert str(raised.value).startswith(path)


def test_any_type_is_accepted_if_none_are_given(tmp_path: Path) -> None:
    assert read_tagged(write(tmp_path / "x", "Rome B-GPE\nin O\n1-2 B-a-b\n")).entities == {"GPE": 1, "a-b": 1}


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        pytest.param("EU NNP O\nvotes VBZ O\n", "line 1: 'EU' in column 1 and 'O' in column 3", id="columns"),
        pytest.param("\n\na\tO\n", "line 3: 'a' in column 1 and 'O' in column 2", id="first-token"),
    ],
)
def test_a_file_without_entities_gives_a_warning_with_its_columns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, columns: str
) -> None:
    read_tagged(write(tmp_path / "x", text)).warn_without_entities("--train: x")
    assert "--train: x has no entities" in caplog.text
    assert columns in caplog.text
    caplog.clear()
    read_tagged(
        write(tmp_path / "y", text + "Ann B-PER\n".replace(" ", "\t" if "\t" in text else " x "))
    ).warn_without_entities("y")
    assert caplog.text == ""
