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
            r"c\.tsv: 20 of the first 20 rows are wrong_language: the source is not in ru, or the target not in en; "
            "they seem to be swapped; swap source_lang and target_lang or source_",
            id="languages-swapped",
        ),
        pytest.param(
            GOOD.encode() * 20, {"target_lang": "ar"}, "target not in ar; check source_lang", id="another-language"
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
