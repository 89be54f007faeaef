"""Labelled data of the demo for question answering: questions about passages, in SQuAD format.

A passage consists of sentences like those of the parallel corpus. The relation that a question asks about is stated for
two subjects, so that the question cannot be answered by finding the only name of the right type. The passages are about
separate worlds with the names of the corpus, but not its facts, so that only the passage contains the answer.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from clism_core.demo.names import LANGUAGES, SOURCE_LANGUAGE, Gazetteer, Name, read_data
from clism_core.demo.sentences import (
    Fact,
    Sentence,
    Slot,
    Text,
    fill,
    names_are_distinct,
    split_names,
    write_sentences,
)
from clism_core.demo.world import World, build_world
from clism_core.utils.errors import InputError

SENTENCES = 1500
"""Number of sentences about a world from which its passages are composed."""

PASSAGES_PER_WORLD = 200
"""Passages of a file per world; the next ones are about another world, with other facts about the same names."""

MAX_FAILURES = 2000
"""Maximum number of consecutive passages without new questions."""


@dataclass
class DemoQuestionsConfig:
    """Number of questions to write."""

    train: int = 6400
    """English questions for training."""
    dev: int = 200
    """English questions about the same names, disjoint from those for training."""
    test: int = 200
    """Test questions about names that do not occur in training text: the same questions about passages in each
    language, in that language and in English."""
    known_names_test: int = 200
    """Further test questions of the same kind, about names of the training text."""
    clauses_per_passage: int = 1
    """Number of clauses per passage, each about two subjects: a passage has twice as many sentences."""
    seed: int = 0
    """Seed for the facts, the questions and the held-out names; use the seed of the corpus."""


LanguagePair = tuple[str, str]
"""Language of the passages, and of the questions about them."""

TEST_PAIRS: tuple[LanguagePair, ...] = (
    *((language, language) for language in LANGUAGES),
    *((language, SOURCE_LANGUAGE) for language in LANGUAGES if language != SOURCE_LANGUAGE),
)

EXAMPLE_PAIRS: tuple[LanguagePair, ...] = (
    *((language, language) for language in ("en", "de", "es", "hi")),
    *((language, SOURCE_LANGUAGE) for language in ("vi", "ar")),
)
"""Language pairs of the questions that are shown with their answers: a passage in each language."""


class DemoQuestionFiles(NamedTuple):
    """Paths of the files of questions, in SQuAD format."""

    train: Path
    dev: Path
    new_names_tests: dict[LanguagePair, Path]
    """Files with the same questions and ids, by language pair."""
    known_names_tests: dict[LanguagePair, Path]
    examples: Path
    """Six questions of `new_names_tests`, about passages in different languages, as JSON Lines for prediction."""


def question_files(folder: Path) -> DemoQuestionFiles:
    """Return the paths of the files that `write_questions` writes."""
    return DemoQuestionFiles(
        train=folder / "train.json",
        dev=folder / "dev.json",
        new_names_tests=_test_files(folder / "new-names"),
        known_names_tests=_test_files(folder / "known-names"),
        examples=folder / "examples.jsonl",
    )


def _test_files(folder: Path) -> dict[LanguagePair, Path]:
    return {
        (passage, question): folder / f"test-context-{passage}-question-{question}.json"
        for passage, question in TEST_PAIRS
    }


class Clause(NamedTuple):
    """A clause of a sentence for which there is a question."""

    sentence: Sentence
    facts: tuple[Fact, ...]
    """Facts about its subject."""


class DemoQuestion(NamedTuple):
    """A question in each language, and the position of its answer in the passage of that language."""

    texts: Mapping[str, str]
    answers: Mapping[str, Slot]


@dataclass(frozen=True)
class Passage:
    """A passage in each language, and the questions about it."""

    texts: Mapping[str, Text]
    questions: tuple[DemoQuestion, ...]


def write_questions(config: DemoQuestionsConfig, folder: Path) -> DemoQuestionFiles:
    """Write train.json, dev.json and examples.jsonl, and the tests into new-names/ and known-names/, named as in MLQA.

    The files depend on `config` only. No question occurs twice, within a file or in different ones.
    """
    known_names, new_names = split_names(config.seed)
    asked: set[str] = set()

    def write(name: str, size: int, *, names: Gazetteer, paths: Mapping[LanguagePair, Path]) -> None:
        languages = list(dict.fromkeys(chain.from_iterable(paths)))
        rng = random.Random(f"questions {config.seed} {name}")
        passages = _about_many_worlds(names, rng, languages, clauses=config.clauses_per_passage, asked=asked)
        _write(name, _first(passages, size), paths)

    files = question_files(folder)
    english = (SOURCE_LANGUAGE, SOURCE_LANGUAGE)
    write("train", config.train, names=known_names, paths={english: files.train})
    write("dev", config.dev, names=known_names, paths={english: files.dev})
    write("test", config.test, names=new_names, paths=files.new_names_tests)
    write("known-names-test", config.known_names_test, names=known_names, paths=files.known_names_tests)
    _write_examples(files.examples, files.new_names_tests)
    return files


def _about_many_worlds(
    names: Gazetteer, rng: random.Random, languages: Sequence[str], *, clauses: int, asked: set[str]
) -> Iterator[Passage]:
    while True:
        passages = write_passages(build_world(names, rng), rng, languages, clauses=clauses, asked=asked)
        yield from islice(passages, PASSAGES_PER_WORLD)


def write_bare_questions(world: World, rng: random.Random, languages: tuple[str, ...]) -> Iterator[Sentence]:
    """Yield questions about `world` in `languages` endlessly, without passages and with repetitions."""
    for sentence in write_sentences(world, rng, languages):
        for clause in _clauses(sentence):
            _, texts = _draw_question(clause, languages, rng)
            yield Sentence(texts, ())


@cache
def question_templates() -> dict[frozenset[str], dict[str, Any]]:
    """Return the entries of questions.yaml by the relations of their clauses."""
    return {frozenset(entry["clause"]): entry for entry in read_data("questions.yaml")}


def write_passages(
    world: World, rng: random.Random, languages: Sequence[str], *, clauses: int, asked: set[str]
) -> Iterator[Passage]:
    """Yield passages about `world` in `languages`, English first, with as many questions as sentences.

    A passage consists of `clauses` clauses of patterns.yaml, each about two subjects. No name occurs in it twice, so
    that every question has one answer, in one position. No question is among the English ones in `asked`, to which
    those of the passage are added.

    Raises:
        InputError: if hardly any passage with new questions is left.
    """
    by_relations: dict[frozenset[str], list[Clause]] = defaultdict(list)
    for sentence in islice(write_sentences(world, rng, tuple(languages)), SENTENCES):
        for clause in _clauses(sentence):
            by_relations[frozenset(fact.relation for fact in clause.facts)].append(clause)
    kinds = sorted((relations for relations, found in by_relations.items() if len(found) > 1), key=sorted)
    failures = 0
    while failures < MAX_FAILURES:
        chosen = [clause for kind in rng.sample(kinds, clauses) for clause in rng.sample(by_relations[kind], 2)]
        rng.shuffle(chosen)
        passage = _passage(chosen, rng)
        failures += 1
        if passage and not asked & (english := {question.texts[SOURCE_LANGUAGE] for question in passage.questions}):
            asked |= english
            failures = 0
            yield passage
    raise InputError(
        f"demo: not enough distinct questions, only {len(asked):,} found; lower train, dev, test or known_names_test, "
        "or raise clauses_per_passage"
    )


def _clauses(sentence: Sentence) -> Iterator[Clause]:
    """Yield the clauses of `sentence`, one per subject, for which there is a question."""
    by_subject: dict[Name, list[Fact]] = defaultdict(list)
    for fact in sentence.facts:
        by_subject[fact.subject].append(fact)
    for facts in by_subject.values():
        if frozenset(fact.relation for fact in facts) in question_templates():
            yield Clause(sentence, tuple(facts))


def _passage(clauses: Sequence[Clause], rng: random.Random) -> Passage | None:
    """Return the joined sentences of `clauses` with questions; None if a name or an answer would occur twice."""
    languages = clauses[0].sentence.texts
    texts = {language: _join([clause.sentence.texts[language] for clause in clauses]) for language in languages}
    if not names_are_distinct(texts[SOURCE_LANGUAGE]):
        return None
    questions = tuple(_question(clause, texts, rng) for clause in clauses)
    answers = [(texts[lang].text, slot) for question in questions for lang, slot in question.answers.items()]
    if any(text.count(text[slot.start : slot.end]) > 1 for text, slot in answers):
        return None
    return Passage(texts, questions)


def _join(texts: Sequence[Text]) -> Text:
    """Join texts with spaces; keys of slots are prefixed with the index of their text."""
    joined, slots = "", list[Slot]()
    for number, text in enumerate(texts):
        joined += " " if joined else ""
        slots += (
            Slot(f"{number}.{slot.key}", slot.name, slot.start + len(joined), slot.end + len(joined))
            for slot in text.slots
        )
        joined += text.text
    return Text(joined, tuple(slots))


def _question(clause: Clause, passage: Mapping[str, Text], rng: random.Random) -> DemoQuestion:
    answer, texts = _draw_question(clause, tuple(passage), rng)
    return DemoQuestion(
        {language: text.text for language, text in texts.items()},
        {language: next(slot for slot in text.slots if slot.name == answer) for language, text in passage.items()},
    )


def _draw_question(clause: Clause, languages: Sequence[str], rng: random.Random) -> tuple[Name, dict[str, Text]]:
    """Sample a question about `clause`; return its answer, and the question in each language."""
    entry = question_templates()[frozenset(fact.relation for fact in clause.facts)]
    objects = {fact.relation: fact.object for fact in clause.facts}
    values = {entry["subject"]: clause.facts[0].subject, **objects}
    relation, templates = rng.choice(list(entry["questions"].items()))
    return objects[relation], {language: fill(templates[language], values, language) for language in languages}


def _first(passages: Iterator[Passage], size: int) -> list[Passage]:
    """Return passages with `size` questions in total; excess questions of the last passage are dropped."""
    taken: list[Passage] = []
    while size > 0:
        passage = next(passages)
        taken.append(Passage(passage.texts, passage.questions[:size]))
        size -= len(taken[-1].questions)
    return taken


def _write(name: str, passages: Sequence[Passage], paths: Mapping[LanguagePair, Path]) -> None:
    """Write one file per language pair."""
    for pair, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        data = [_article(f"{name}-{number}", passage, pair) for number, passage in enumerate(passages)]
        content = json.dumps({"version": "1.1", "data": data}, ensure_ascii=False, indent=1)
        path.write_text(content + "\n", encoding="utf-8")


def _write_examples(path: Path, tests: Mapping[LanguagePair, Path]) -> None:
    """Write one question per pair of EXAMPLE_PAIRS, with the expected answer.

    The rule is fixed, so that no example is chosen by its answer: the first question of the n-th passage, for pair n.
    """
    rows = []
    for number, pair in enumerate(EXAMPLE_PAIRS):
        articles = json.loads(tests[pair].read_text(encoding="utf-8"))["data"]
        (paragraph,) = articles[number % len(articles)]["paragraphs"]
        question = paragraph["qas"][0]
        (answer,) = question["answers"]
        rows.append(
            {
                "id": f"{'-'.join(pair)}-{question['id']}",
                "question": question["question"],
                "context": paragraph["context"],
                "expected": answer["text"],
            }
        )
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def _article(title: str, passage: Passage, pair: LanguagePair) -> dict[str, Any]:
    of_passage, of_question = pair
    context = passage.texts[of_passage].text
    return {
        "title": title,
        "paragraphs": [
            {
                "context": context,
                "qas": [
                    {
                        "id": f"{title}-{number}",
                        "question": question.texts[of_question],
                        "answers": [{"text": context[slot.start : slot.end], "answer_start": slot.start}],
                    }
                    for number, question in enumerate(passage.questions)
                    for slot in [question.answers[of_passage]]
                ],
            }
        ],
    }
