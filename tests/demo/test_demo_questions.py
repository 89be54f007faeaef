import dataclasses
import json
import random
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from clism_core.demo.names import LANGUAGES, Gazetteer, contains_phrase
from clism_core.demo.questions import (
    DemoQuestionFiles,
    DemoQuestionsConfig,
    LanguagePair,
    Passage,
    question_templates,
    write_passages,
    write_questions,
)
from clism_core.demo.records import City, CountryRecord, Event, Match, Organisation, Person
from clism_core.demo.sentences import TOKENS, build_worlds, patterns, split_names, used_slots
from clism_core.demo.world import World, build_world
from clism_core.tasks.mrc.answer_offsets import find_misplaced
from clism_core.tasks.mrc.squad_format import Question, read_questions
from clism_core.utils.errors import InputError

SMALL = DemoQuestionsConfig(train=61, dev=9, test=14, known_names_test=6, clauses_per_passage=2)
TEST_PASSAGES = 4
"""Four questions a passage, of which the last one has two."""
SUBJECTS = {fields(record)[0].name for record in (Person, CountryRecord, City, Organisation, Event, Match)}
CLAUSES = [used_slots(pattern["en"][0]) for section in patterns()["clauses"].values() for pattern in section]
ASKED = [
    (entry["subject"], relations, asked, templates)
    for relations, entry in question_templates().items()
    for asked, templates in entry["questions"].items()
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> DemoQuestionFiles:
    return write_questions(SMALL, tmp_path_factory.mktemp("questions"))


@pytest.fixture(scope="module")
def passages() -> list[Passage]:
    world = build_worlds(0)["train"]
    found = write_passages(world, random.Random(1), ("en", "de"), clauses=2, asked=set())
    return [next(found) for _ in range(30)]


def read(files: Mapping[LanguagePair, Path]) -> dict[LanguagePair, list[Question]]:
    return {pair: read_questions(str(path)) for pair, path in files.items()}


def test_tests_are_named_as_in_mlqa(files: DemoQuestionFiles) -> None:
    expected = {f"test-context-{language}-question-{language}.json" for language in LANGUAGES}
    expected |= {f"test-context-{language}-question-en.json" for language in LANGUAGES}
    for folder in ("new-names", "known-names"):
        assert {path.name for path in (files.train.parent / folder).iterdir()} == expected
    assert {path.name for path in files.train.parent.iterdir() if path.is_file()} == {
        "train.json",
        "dev.json",
        "examples.jsonl",
    }


def test_examples_are_the_first_questions_of_the_first_passages_about_new_names(files: DemoQuestionFiles) -> None:
    rows = [json.loads(line) for line in files.examples.read_text(encoding="utf-8").splitlines()]
    tests = read(files.new_names_tests)
    pairs = [("en", "en"), ("de", "de"), ("es", "es"), ("hi", "hi"), ("vi", "en"), ("ar", "en")]
    for number, (row, pair) in enumerate(zip(rows, pairs, strict=True)):
        question = {question.id: question for question in tests[pair]}[f"test-{number % TEST_PASSAGES}-0"]
        assert row["id"] == f"{'-'.join(pair)}-{question.id}"
        assert row["question"] == question.question
        assert row["context"] == question.context
        assert row["expected"] == question.answers[0].text


def test_sizes_are_those_of_the_config(files: DemoQuestionFiles) -> None:
    assert len(read_questions(str(files.train))) == 61
    assert len(read_questions(str(files.dev))) == 9
    assert {len(questions) for questions in read(files.new_names_tests).values()} == {14}
    assert {len(questions) for questions in read(files.known_names_tests).values()} == {6}


def test_every_answer_occurs_at_its_offset_only(files: DemoQuestionFiles) -> None:
    for path in (files.train, files.dev, *files.new_names_tests.values(), *files.known_names_tests.values()):
        questions = read_questions(str(path))
        assert find_misplaced(questions) == []
        for question in questions:
            (answer,) = question.answers
            assert question.context.count(answer.text) == 1


def test_languages_have_the_same_questions(files: DemoQuestionFiles) -> None:
    for tests in (read(files.new_names_tests), read(files.known_names_tests)):
        ids = [question.id for question in tests["en", "en"]]
        assert len(set(ids)) == len(ids)
        assert all([question.id for question in questions] == ids for questions in tests.values())
        own = [tests[language, language] for language in LANGUAGES]
        assert all(len({question.question for question in same}) == len(LANGUAGES) for same in zip(*own, strict=True))
        for language in LANGUAGES:
            mixed, english = tests[language, "en"], tests["en", "en"]
            assert [question.question for question in mixed] == [question.question for question in english]
            assert [question.context for question in mixed] == [each.context for each in tests[language, language]]


def test_targets_are_in_their_script(files: DemoQuestionFiles) -> None:
    for language, (low, high) in {"ar": ("\u0600", "\u06ff"), "hi": ("\u0900", "\u097f")}.items():
        for question in read(files.new_names_tests)[language, language]:
            letters = [character for character in question.question + question.context if character.isalpha()]
            assert all(low <= letter <= high for letter in letters)


def test_no_question_occurs_twice(files: DemoQuestionFiles) -> None:
    paths = (files.train, files.dev, files.new_names_tests["en", "en"], files.known_names_tests["en", "en"])
    asked = [question.question for path in paths for question in read_questions(str(path))]
    assert len(set(asked)) == len(asked)


def test_names_of_tests_do_not_occur_in_training(files: DemoQuestionFiles) -> None:
    training_names = [name.forms["en"] for name in split_names(SMALL.seed)[0].atoms()]
    held_out_names = [name.forms["en"] for name in split_names(SMALL.seed)[1].atoms()]
    for question in read(files.new_names_tests)["en", "en"]:
        (answer,) = question.answers
        assert not any(contains_phrase(answer.text, name) for name in training_names)
    for question in (*read_questions(str(files.train)), *read(files.known_names_tests)["en", "en"]):
        assert not any(contains_phrase(question.context, name) for name in held_out_names)


def test_files_depend_on_config_and_seed(files: DemoQuestionFiles, tmp_path: Path) -> None:
    again = write_questions(SMALL, tmp_path / "again")
    other = write_questions(dataclasses.replace(SMALL, seed=7), tmp_path / "other")
    folder = files.train.parent
    for name in (path.relative_to(folder) for path in folder.rglob("*.json*")):
        assert (again.train.parent / name).read_bytes() == (folder / name).read_bytes()
        assert (other.train.parent / name).read_bytes() != (folder / name).read_bytes()


def test_files_have_the_format_of_squad(files: DemoQuestionFiles) -> None:
    article = json.loads(files.dev.read_text(encoding="utf-8"))["data"][0]
    assert article.keys() == {"title", "paragraphs"}
    (paragraph,) = article["paragraphs"]
    assert paragraph.keys() == {"context", "qas"}
    assert [qas["id"] for qas in paragraph["qas"]] == ["dev-0-0", "dev-0-1", "dev-0-2", "dev-0-3"]
    assert all(qas.keys() == {"id", "question", "answers"} for qas in paragraph["qas"])


def test_passage_has_another_name_of_the_answers_type(passages: list[Passage]) -> None:
    for passage in passages:
        assert len(passage.questions) == 4
        for question in passage.questions:
            answer = question.answers["en"]
            relation = answer.key.rpartition(".")[2]
            same = [slot for slot in passage.texts["en"].slots if slot.key.endswith(f".{relation}")]
            assert len({slot.name for slot in same}) >= 2
            assert answer in same


@pytest.mark.parametrize(
    ("subject", "relations", "asked", "templates"),
    [pytest.param(*entry, id="-".join((entry[0], *sorted(entry[1]), "asks", entry[2]))) for entry in ASKED],
)
def test_question_fits_its_clauses(
    subject: str, relations: frozenset[str], asked: str, templates: dict[str, str]
) -> None:
    """A clause states what is asked, and the question fills in its subject only."""
    assert subject in SUBJECTS
    assert {subject, *relations} in CLAUSES
    assert asked in relations
    assert set(templates) == set(LANGUAGES)
    for language, template in templates.items():
        assert used_slots(template) == {subject}
        agreeing = {token["agree"] for token in TOKENS.finditer(template)} - {None}
        assert agreeing <= {subject, *relations}
        assert template.endswith("؟" if language == "ar" else "?")
        assert template.startswith("¿") == (language == "es")


def test_most_clauses_have_questions() -> None:
    unasked = [
        clause for clause in CLAUSES if not any(frozenset(clause - {s}) in question_templates() for s in SUBJECTS)
    ]
    assert unasked == [{"event", "opener", "sponsor"}]  # both have organised it


def test_passages_continue_in_other_worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = []

    def build(names: Gazetteer, rng: random.Random) -> World:
        worlds.append(build_world(names, rng))
        return worlds[-1]

    monkeypatch.setattr("clism_core.demo.questions.build_world", build)
    monkeypatch.setattr("clism_core.demo.questions.PASSAGES_PER_WORLD", 5)
    write_questions(SMALL, tmp_path)
    assert len(worlds) == 4 + 1 + 1 + 1  # 16 passages to train with, 3, 4 and 2 of the others
    mayors = [{city.city: city.mayor for city in world.records["city"] if isinstance(city, City)} for world in worlds]
    assert mayors[0].keys() == mayors[1].keys()
    assert sum(mayors[0][city] == mayors[1][city] for city in mayors[0]) < len(mayors[0]) / 10


def test_too_many_questions_are_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clism_core.demo.questions.MAX_FAILURES", 3)
    with pytest.raises(InputError, match="demo: not enough distinct questions, only"):
        write_questions(DemoQuestionsConfig(train=100_000), tmp_path)
