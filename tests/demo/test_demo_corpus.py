from pathlib import Path

import pytest

from clism_core.demo.corpus import DemoCorpusConfig, generate_corpus, write_corpus
from clism_core.demo.names import contains_phrase
from clism_core.demo.sentences import split_names
from clism_core.utils.errors import InputError

SMALL = DemoCorpusConfig(pairs_per_language=300, questions_per_language=30, held_out_pairs_per_language=40)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_corpus(SMALL, tmp_path_factory.mktemp("corpus"))


def rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def test_one_file_per_language_with_a_header(files: list[Path]) -> None:
    assert [path.name for path in files] == ["en-ar.tsv", "en-hi.tsv", "en-vi.tsv", "en-de.tsv", "en-es.tsv"]
    for path in files:
        header, *body = rows(path)
        assert header == ["source", "target", "origin"]
        assert [row[2] for row in body] == ["train"] * 330 + ["held_out"] * 40


def test_some_training_pairs_are_questions(files: list[Path]) -> None:
    for path in files:
        questions = [row for row in rows(path)[1:] if row[0].endswith("?")]
        assert len(questions) == 30
        assert all(row[1].endswith(("?", "؟")) and row[2] == "train" for row in questions)


def test_no_text_occurs_twice(files: list[Path]) -> None:
    for path in files:
        body = rows(path)[1:]
        assert len({row[0] for row in body}) == len({row[1] for row in body}) == len(body)


def test_targets_are_in_their_script(files: list[Path]) -> None:
    scripts = {"ar": ("\u0600", "\u06ff"), "hi": ("\u0900", "\u097f")}
    for path in files:
        low, high = scripts.get(path.stem[-2:], (" ", "\u1eff"))
        for _, target, _ in rows(path)[1:]:
            letters = [character for character in target if character.isalpha()]
            assert all(low <= letter <= high for letter in letters)


@pytest.mark.parametrize("seed", [0, 7])
def test_held_out_names_do_not_occur_in_training_text(seed: int) -> None:
    config = DemoCorpusConfig(pairs_per_language=400, held_out_pairs_per_language=0, seed=seed)
    training = {
        language: "\n".join(s.texts[language].text for s in parts["train"])
        for target, parts in generate_corpus(config).items()
        for language in ("en", target)
    }
    for name in split_names(seed)[1].atoms():
        for language, text in training.items():
            assert not contains_phrase(text, name.forms[language]), name.forms[language]


def test_files_depend_on_the_seed_only(files: list[Path], tmp_path: Path) -> None:
    again = write_corpus(SMALL, tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files]


def test_unknown_language_is_an_input_error() -> None:
    with pytest.raises(InputError, match="fr not supported by the demo corpus; choose from ar, hi"):
        generate_corpus(DemoCorpusConfig(target_langs=["de", "fr"]))
