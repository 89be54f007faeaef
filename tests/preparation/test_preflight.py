from pathlib import Path
from typing import Any

import pytest
from corpus_files import write

from clism_core.preparation.cleaning import CleaningConfig
from clism_core.preparation.corpus import CorpusConfig, check_corpus
from clism_core.preparation.preflight import check_texts
from clism_core.utils.errors import InputError

GOOD = "The house is old.\tДом очень старый.\n"
UNTRANSLATED = "The house\tthe House\n"


def check(path: Path, *, given_alignment: bool = False, cleaning: CleaningConfig | None = None, **fields: Any) -> None:
    config = CorpusConfig(path=str(path), **({"source_lang": "en", "target_lang": "ru"} | fields))
    beginnings = check_corpus(config)
    cleaning = cleaning or CleaningConfig()
    check_texts(beginnings, corpus=config, cleaning=cleaning, given_alignment=given_alignment)


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        pytest.param(
            GOOD.encode() * 20,
            {"source_lang": "ru", "target_lang": "en"},
            r"c\.tsv: 20 of the first 20 rows are wrong_language: the source is in en, the target in ru: "
            "they seem to be swapped; swap source_lang and target_lang or source_",
            id="languages-swapped",
        ),
        pytest.param(
            GOOD.encode() * 20,
            {"target_lang": "ar"},
            "the target seems to be in ru, not in ar; check source_lang",
            id="another-language",
        ),
        pytest.param(
            GOOD.encode() * 20,
            {"target_column": 1},
            "rows are untranslated: .* check source_column and target_column",
            id="one-column-twice",
        ),
        pytest.param(b"The house\t \n" * 20, {}, "rows are empty_target: there is no text", id="no-target"),
        pytest.param(b"\tThe house\n" * 20, {}, "rows are empty_source: there is no text", id="no-source"),
        pytest.param(
            (GOOD + UNTRANSLATED * 5 + "The house\t \n" * 4).encode() * 2,
            {},
            r"18 of the first 20 rows are untranslated \(10\), empty_target \(8\): source and target are the same "
            r"text; .*; line 2: 'The house' => 'the House', line 3",
            id="several-reasons",
        ),
        pytest.param(
            GOOD.encode() * 27 + b"The house\tH\xe4user\n" * 3,
            {},
            r"3 of the first 30 rows are invalid_utf8: they have bytes in another encoding, .*; line 28: 'The house' "
            "=> 'H\ufffduser', line 29",
            id="some-rows-in-another-encoding",
        ),
        pytest.param(
            b"The house\t\x1b$BLE\x1b(B\n" * 20,
            {"target_lang": "ja"},
            r"are control_characters: .* ISO-2022-JP, .*; line 1: 'The house' => '\\x1b\$BLE\\x1b\(B'",
            id="iso-2022-jp",
        ),
        pytest.param(
            ("1.25\t" + GOOD).encode() * 20,
            {},
            "source_column 1 holds numbers, such as 1.25, not sentences; give source_column",
            id="scores-first",
        ),
        pytest.param(
            (GOOD[:-1] + "\tdoc_1\n").encode() * 20,
            {"target_column": 3},
            "target_column 3 holds identifiers, such as doc_1, not",
            id="identifiers-last",
        ),
        pytest.param(
            ("x" * 3000 + "\t" + GOOD.split("\t")[1]).encode() * 20,
            {},
            "are too_long: .* limits; line 1: 'x",
            id="long",
        ),
        pytest.param(
            (GOOD + UNTRANSLATED * 9).encode() * 2, {}, "18 of the first 20 rows are untranslated", id="nine-in-ten"
        ),
    ],
)
def test_files_that_do_not_match_their_config(
    tmp_path: Path, content: bytes, fields: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "c.tsv", content)
    with pytest.raises(InputError, match=message):
        check(path, **fields)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(UNTRANSLATED * 19, id="too-few-rows-to-tell"),
        pytest.param((GOOD * 3 + UNTRANSLATED * 17) * 50, id="fewer-than-nine-in-ten"),
        pytest.param(GOOD * 20, id="good"),
    ],
)
def test_files_with_few_rejects_are_valid(tmp_path: Path, content: str) -> None:
    check(write(tmp_path / "c.tsv", content.encode()))


def test_languages_are_not_checked_if_cleaning_ignores_them(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", GOOD.encode() * 20)
    check(path, source_lang="ru", target_lang="en", cleaning=CleaningConfig(wrong_language=False))


SWEDISH = "The house is old and has a garden.\tHuset är gammalt och har en trädgård som vi tycker mycket om.\n"
KOREAN = "The house is old.\t그 집은 아주 오래되었고 정원이 있습니다.\n"


def test_code_of_another_language_with_the_same_script(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "c.tsv", SWEDISH.encode() * 20)
    check(path, target_lang="sv")
    assert caplog.text == ""
    check(path, target_lang="se")  # Northern Sami
    assert "c.tsv: the target seems to be in sv, not in se, of which no list of words is known" in caplog.text


def test_code_of_another_language_with_another_script(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", KOREAN.encode() * 20)
    with pytest.raises(InputError, match=r"are wrong_language: the target seems to be in ko, not in kr; check"):
        check(path, target_lang="kr")  # Kanuri


def test_corpus_with_alignments(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", GOOD.encode() * 20)
    links = str(write(tmp_path / "links", b"0-0\n" * 20))
    check(path, alignment_path=links, given_alignment=True)
    with pytest.raises(InputError, match="are wrong_language"):
        check(path, source_lang="ru", target_lang="en", alignment_path=links, given_alignment=True)


def test_each_file_of_a_corpus_is_checked(tmp_path: Path) -> None:
    write(tmp_path / "set" / "a.tsv", GOOD.encode() * 900)
    write(tmp_path / "set" / "b.tsv", UNTRANSLATED.encode() * 20)
    with pytest.raises(InputError, match=r"b\.tsv: 20 of the first 20 rows"):
        check(tmp_path / "set")


def test_sides_of_a_moses_pair(tmp_path: Path) -> None:
    path = write(tmp_path / "c.en", b"The house is old.\n" * 20)
    with pytest.raises(InputError, match=r"untranslated: .* check path and target_path"):
        check(path, format="moses", target_path=str(path))
    numbers = write(tmp_path / "c.scores", b"0.5\n" * 20)
    with pytest.raises(InputError, match=r"the target holds numbers, such as 0\.5, not sentences; check path and targ"):
        check(path, format="moses", target_path=str(numbers))
