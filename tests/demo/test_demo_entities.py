"""The demo's tagged sentences: names are entities in every language, and no sentence occurs twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from clism_core.demo.entities import DemoEntitiesConfig, DemoEntityFiles, tag_text, write_entities
from clism_core.demo.names import LANGUAGES, Name
from clism_core.demo.sentences import Slot, Text
from clism_core.tasks.ner.config import CONLL_TYPES
from clism_core.tasks.ner.conll_format import read_tagged
from clism_core.utils.errors import InputError

SMALL = DemoEntitiesConfig(train=30, dev=10, test=12, known_names_test=8)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> DemoEntityFiles:
    return write_entities(SMALL, tmp_path_factory.mktemp("entities"))


def test_files_have_the_configured_number_of_sentences(files: DemoEntityFiles) -> None:
    assert len(read_tagged(str(files.train), types=CONLL_TYPES).sentences) == 30
    assert len(read_tagged(str(files.dev), types=CONLL_TYPES).sentences) == 10
    for folder, size in ((files.new_names_tests, 12), (files.known_names_tests, 8)):
        assert {file.name for file in folder.iterdir()} == {f"test.{language}.conll" for language in LANGUAGES}
        for language in LANGUAGES:
            found = read_tagged(str(folder / f"test.{language}.conll"), types=CONLL_TYPES)
            assert (len(found.sentences), found.repaired) == (size, 0)


def test_a_sentence_has_the_same_entities_in_every_language(files: DemoEntityFiles) -> None:
    english, *others = (
        read_tagged(str(files.new_names_tests / f"test.{language}.conll")).sentences for language in LANGUAGES
    )
    for language, sentences in zip(LANGUAGES[1:], others, strict=True):
        for one, other in zip(english, sentences, strict=True):
            kinds = [sorted(tag for tag in sentence.tags if tag.startswith("B-")) for sentence in (one, other)]
            assert kinds[0] == kinds[1], language


def test_no_sentence_occurs_twice(files: DemoEntityFiles) -> None:
    english = [files.train, files.dev, *(folder / "test.en.conll" for folder in files[2:])]
    sentences = [each.tokens for file in english for each in read_tagged(str(file)).sentences]
    assert len(set(sentences)) == len(sentences) == 60


def test_files_depend_on_the_configuration_only(files: DemoEntityFiles, tmp_path: Path) -> None:
    again = write_entities(SMALL, tmp_path)
    assert again.train.read_bytes() == files.train.read_bytes()
    other = write_entities(replace(SMALL, seed=1), tmp_path / "other")
    assert other.train.read_bytes() != files.train.read_bytes()


def test_too_many_sentences_are_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clism_core.demo.entities.MAX_FAILURES", 0)
    with pytest.raises(InputError, match="not enough distinct sentences"):
        write_entities(replace(SMALL, train=3000), tmp_path)


def test_tags_by_hand() -> None:
    def slot(label: str, text: str, name: str) -> Slot:
        start = text.index(name)
        return Slot("a", Name(label, {"en": name}), start, start + len(name))

    english = "On 4 May, St. Mary's beat FC Rome."
    names = [("DATE", "4 May"), ("ORG", "St. Mary's"), ("ORG", "FC Rome")]
    tagged = tag_text(Text(english, tuple(slot(label, english, name) for label, name in names)))
    assert list(zip(*tagged, strict=True)) == [
        ("On", "O"), ("4", "O"), ("May", "O"), (",", "O"), ("St", "B-ORG"), (".", "I-ORG"), ("Mary's", "I-ORG"),
        ("beat", "O"), ("FC", "B-ORG"), ("Rome", "I-ORG"), (".", "O"),
    ]  # fmt: skip
    arabic = "ذهبت آنا وبوليفيا"  # a prefix is written together with the name
    tagged = tag_text(Text(arabic, (slot("PERSON", arabic, "آنا"), slot("GPE", arabic, "بوليفيا"))))
    assert tagged.tags == ("O", "B-PER", "B-LOC")


def test_marks_belong_to_their_letters() -> None:
    assert tag_text(Text("लीमा में।")).tokens == ("लीमा", "में", "।")
