"""Sentences in several languages that state facts of a demo world, with the positions of all names."""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from clism_core.demo.names import LANGUAGES, Gazetteer, Name, build_gazetteers, read_data
from clism_core.demo.records import slots
from clism_core.demo.world import World, build_world

TOKENS = re.compile(r"\{(?P<slot>\w+)(?:\.(?P<case>\w+))?\}|<(?P<agree>\w+):(?P<m>[^|<>]*)\|(?P<f>[^|<>]*)>")
ORIGINS = ("train", "held_out")


@dataclass(frozen=True)
class Slot:
    """Position of a name in a text: characters `start` to `end` (code points, end exclusive).

    `key` ("a.birth_city", "newspaper") is the same in every language of a sentence.
    """

    key: str
    name: Name
    start: int
    end: int


@dataclass(frozen=True)
class Text:
    """A text and its names, in the order of their positions."""

    text: str
    slots: tuple[Slot, ...] = ()


@dataclass(frozen=True)
class Fact:
    """A fact stated by a clause; `relation` is a field of the subject's record (records.py)."""

    subject: Name
    relation: str
    object: Name


@dataclass(frozen=True)
class Sentence:
    """The text of one row in each requested language, and the facts that it states."""

    texts: Mapping[str, Text]
    facts: tuple[Fact, ...]


@cache
def patterns() -> dict[str, Any]:
    """Return the content of patterns.yaml."""
    return cast(dict[str, Any], read_data("patterns.yaml"))


def fill(template: str, values: Mapping[str, Name | Text], language: str) -> Text:
    """Fill a template of patterns.yaml; a `Text` value keeps its slots, their keys prefixed by its own."""
    parts: list[str] = []
    filled: list[Slot] = []
    length = end = 0

    def append(text: str) -> None:
        nonlocal length
        parts.append(text)
        length += len(text)

    for token in TOKENS.finditer(template):
        append(template[end : token.start()])
        end = token.end()
        if agree := token["agree"]:
            append(token["f"] if _name(values[agree]).genders[language] == "f" else token["m"])
            continue
        key, value = token["slot"], values[token["slot"]]
        if isinstance(value, Text):
            filled += (Slot(f"{key}.{s.key}", s.name, s.start + length, s.end + length) for s in value.slots)
            append(value.text)
            continue
        if case := token["case"]:
            append(value.prefixes[language][case])
        form = value.forms[language]
        if value.label:
            filled.append(Slot(key, value, length, length + len(form)))
        append(form)
    append(template[end:])
    return Text("".join(parts), tuple(filled))


def used_slots(template: str) -> set[str]:
    """Return the names of the slots that a template fills."""
    return {token["slot"] for token in TOKENS.finditer(template) if token["slot"]}


def build_worlds(seed: int) -> dict[str, World]:
    """Return the worlds of the "train" and the "held_out" part of the corpus."""
    rng = random.Random(f"worlds {seed}")
    return {origin: build_world(names, rng) for origin, names in zip(ORIGINS, split_names(seed), strict=True)}


def split_names(seed: int) -> tuple[Gazetteer, Gazetteer]:
    """Return the names of the training part and of the held-out part."""
    return build_gazetteers(random.Random(f"names {seed}"), fixed_text=_fixed_text())


def write_sentences(world: World, rng: random.Random, languages: tuple[str, ...]) -> Iterator[Sentence]:
    """Yield sentences about `world` in `languages` endlessly, with repetitions."""
    frames = patterns()["frames"]
    weights = [frame["weight"] for frame in frames.values()]
    while True:
        frame = frames[rng.choices(list(frames), weights)[0]]
        sentence = _sentence(frame, world, rng, languages)
        if names_are_distinct(sentence.texts[languages[0]]):
            yield sentence


def names_are_distinct(text: Text) -> bool:
    """Return whether no name of `text` contains another in English, so that each occurs in one position only."""
    names = [slot.name.forms["en"] for slot in text.slots]
    return not any(one in other for i, one in enumerate(names) for j, other in enumerate(names) if i != j)


def _sentence(frame: Mapping[str, str], world: World, rng: random.Random, languages: tuple[str, ...]) -> Sentence:
    reporters = {
        "newspaper": rng.choice(world.newspapers),
        "speaker": slots(rng.choice(world.records["person"]))["person"],
    }
    texts: dict[str, dict[str, Name | Text]] = {language: dict(reporters) for language in languages}
    facts: list[Fact] = []
    for clause in sorted({slot.lower() for slot in used_slots(frame["en"])} & {"a", "b"}):
        pattern, values = _draw_clause(world, rng)
        relations = sorted(used_slots(pattern["en"][0]) - {next(iter(values))})
        facts += (Fact(next(iter(values.values())), relation, values[relation]) for relation in relations)
        for language in languages:
            text = fill(rng.choice(pattern[language]), values, language)
            texts[language] |= {clause: text, clause.upper(): Text(_capitalise(text.text), text.slots)}
    filled = {language: fill(frame[language], texts[language], language) for language in languages}
    return Sentence(
        {language: Text(_capitalise(text.text), _lower_keys(text.slots)) for language, text in filled.items()},
        tuple(facts),
    )


def _draw_clause(world: World, rng: random.Random) -> tuple[Mapping[str, list[str]], dict[str, Name]]:
    """Sample a pattern, then a record that has its slots, so that patterns are equally frequent."""
    all_patterns = [(kind, pattern) for kind, section in patterns()["clauses"].items() for pattern in section]
    kind, pattern = rng.choice(all_patterns)
    needed = used_slots(pattern["en"][0])
    while not needed <= (values := slots(rng.choice(world.records[kind]))).keys():
        pass
    return pattern, values


def _fixed_text() -> str:
    """Return the words of all templates, without their slots."""
    data = patterns()
    clauses = [pattern for section in data["clauses"].values() for pattern in section]
    templates = [t for pattern in clauses for language in LANGUAGES for t in pattern[language]]
    templates += (frame[language] for frame in data["frames"].values() for language in LANGUAGES)
    return "\n".join(re.sub(r"\{[\w.]+\}|<\w+:|[|>]", " ", template) for template in templates)


def _name(value: Name | Text) -> Name:
    assert isinstance(value, Name)
    return value


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower_keys(filled: tuple[Slot, ...]) -> tuple[Slot, ...]:
    """Rename the slots of {A} to those of {a}."""
    return tuple(Slot(slot.key[:1].lower() + slot.key[1:], slot.name, slot.start, slot.end) for slot in filled)
