import random
from dataclasses import fields
from itertools import islice

import pytest

from clism_core.demo.names import LANGUAGES, Name
from clism_core.demo.records import City, CountryRecord, Event, Match, Organisation, Person, Record
from clism_core.demo.sentences import (
    TOKENS,
    Sentence,
    Text,
    build_worlds,
    fill,
    patterns,
    used_slots,
    write_sentences,
)
from clism_core.demo.world import World

CLAUSES = [
    (kind, number, pattern) for kind, section in patterns()["clauses"].items() for number, pattern in enumerate(section)
]
RECORDS: dict[str, type[Record]] = {
    "person": Person,
    "country": CountryRecord,
    "city": City,
    "organisation": Organisation,
    "event": Event,
    "match": Match,
}
ANNA = Name(
    "PERSON",
    {**dict.fromkeys(LANGUAGES, "Anna"), "ar": "آنا", "hi": "अन्ना"},
    dict.fromkeys(LANGUAGES, "f"),
)
BANK = Name("ORG", dict.fromkeys(LANGUAGES, "Bank von Lima"), {"de": "f"}, {"de": {"dat": "der "}})


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    return build_worlds(0)


@pytest.fixture(scope="module")
def sentences(worlds: dict[str, World]) -> list[Sentence]:
    return list(islice(write_sentences(worlds["train"], random.Random(1), LANGUAGES), 400))


def test_fill_marks_names_without_their_articles() -> None:
    text = fill("<person:er|sie> sprach mit {bank.dat}, sagt {person}", {"person": ANNA, "bank": BANK}, "de")
    assert text.text == "sie sprach mit der Bank von Lima, sagt Anna"
    assert [(slot.key, text.text[slot.start : slot.end]) for slot in text.slots] == [
        ("bank", "Bank von Lima"),
        ("person", "Anna"),
    ]


def test_fill_moves_the_names_of_a_clause() -> None:
    clause = fill("{person} lives", {"person": ANNA}, "en")
    text = fill("It is said that {a}.", {"a": clause}, "en")
    assert text.text == "It is said that Anna lives."
    (slot,) = text.slots
    assert (slot.key, slot.start, slot.end) == ("a.person", 16, 20)


def test_fill_marks_names_only() -> None:
    doctor = Name("", dict.fromkeys(LANGUAGES, "doctor"), prefixes={"en": {"a": "a "}})
    assert fill("{job.a}", {"job": doctor}, "en") == Text("a doctor")


@pytest.mark.parametrize(
    ("kind", "pattern"), [pytest.param(kind, pattern, id=f"{kind}-{number}") for kind, number, pattern in CLAUSES]
)
def test_clause_says_the_same_in_every_language(kind: str, pattern: dict[str, list[str]]) -> None:
    assert set(pattern) == set(LANGUAGES)
    templates = [template for language in LANGUAGES for template in pattern[language]]
    slots = used_slots(templates[0])
    assert all(used_slots(template) == slots for template in templates)
    relations = [field.name for field in fields(RECORDS[kind])]
    agreeing = {token["agree"] for template in templates for token in TOKENS.finditer(template)} - {None}
    assert slots | agreeing <= set(relations)
    assert relations[0] in slots
    assert not any(template[0].isupper() for template in pattern["en"])


@pytest.mark.parametrize("frame", patterns()["frames"].values(), ids=patterns()["frames"])
def test_frame_says_the_same_in_every_language(frame: dict[str, str]) -> None:
    slots = {language: {slot.lower() for slot in used_slots(frame[language])} for language in LANGUAGES}
    assert all(slots[language] == slots["en"] for language in LANGUAGES)


def test_there_are_forty_patterns() -> None:
    assert len(CLAUSES) >= 40


def test_every_language_has_the_same_names_where_the_slots_say(sentences: list[Sentence]) -> None:
    for sentence in sentences:
        keys = {slot.key for slot in sentence.texts["en"].slots}
        for language, text in sentence.texts.items():
            assert {slot.key for slot in text.slots} == keys
            for slot in text.slots:
                written, form = text.text[slot.start : slot.end], slot.name.forms[language]
                assert written == form or (slot.start == 0 and written.lower() == form.lower())


def test_texts_contain_no_template_markup(sentences: list[Sentence]) -> None:
    for sentence in sentences:
        for text in sentence.texts.values():
            assert not set("{}<>|\t\n") & set(text.text)
            assert "  " not in text.text
            assert text.text[-1] in ".।"
            assert not text.text[0].islower()


def test_names_of_facts_occur_in_the_text(sentences: list[Sentence]) -> None:
    for sentence in sentences:
        assert sentence.facts
        named = {slot.name.forms["en"] for slot in sentence.texts["en"].slots}
        for fact in sentence.facts:
            assert fact.subject.forms["en"] in named
            assert fact.object.label == "" or fact.object.forms["en"] in named


def test_facts_are_consistent(worlds: dict[str, World]) -> None:
    answers: dict[tuple[str, str], str] = {}
    for sentence in islice(write_sentences(worlds["held_out"], random.Random(2), ("en",)), 3000):
        for fact in sentence.facts:
            question = fact.subject.forms["en"], fact.relation
            assert answers.setdefault(question, fact.object.forms["en"]) == fact.object.forms["en"]


def test_careers_are_in_order(worlds: dict[str, World]) -> None:
    for world in worlds.values():
        for record in world.records["person"]:
            assert isinstance(record, Person)
            years = [int(year.forms["en"]) for year in (record.birth_year, record.graduation_year, record.joined_year)]
            assert years[0] + 20 < years[1] < years[2]
            assert record.birth_date.forms["en"].endswith(record.birth_year.forms["en"])
            assert int(record.interview_date.forms["en"][-4:]) >= years[2]


def test_order_of_names_varies_between_languages(sentences: list[Sentence]) -> None:
    """The n-th name of an English sentence often differs from the n-th of its translation."""
    for language in ("ar", "hi", "vi", "de", "es"):
        moved = [
            [slot.key for slot in sentence.texts["en"].slots] != [slot.key for slot in sentence.texts[language].slots]
            for sentence in sentences
        ]
        assert sum(moved) > 0.3 * len(moved)
