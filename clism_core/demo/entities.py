"""Labelled data of the demo for named-entity recognition: sentences about its worlds, in CoNLL format."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import regex

from clism_core.demo.names import LANGUAGES, SOURCE_LANGUAGE, Gazetteer
from clism_core.demo.sentences import Text, split_names, write_sentences
from clism_core.demo.world import build_world
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.utils.errors import InputError

TYPES = {"PERSON": "PER", "GPE": "LOC", "ORG": "ORG", "EVENT": "MISC", "LANGUAGE": "MISC"}
"""Entity types of CoNLL by label of the names; money, dates and numbers are not entities in CoNLL."""

SENTENCES_PER_WORLD = 400
"""Sentences of a file per world; the next ones are about another world, with other facts about the same names."""
MAX_FAILURES = 2000
"""Maximum number of consecutive sentences that are not new."""
_TOKEN = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’\-][\p{L}\p{M}\p{N}]+)*|\S")


@dataclass
class DemoEntitiesConfig:
    """Numbers of tagged sentences to write."""

    train: int = 1500
    """English sentences for training."""
    dev: int = 200
    """English sentences about the same names, for model selection."""
    test: int = 200
    """Test sentences about names that do not occur in training text, the same ones in each language."""
    known_names_test: int = 200
    """Test sentences about names of the training text, the same ones in each language."""
    seed: int = 0
    """Seed for the facts, the sentences and the held-out names; use the seed of the corpus."""


class DemoEntityFiles(NamedTuple):
    """Paths of the files of sentences, in CoNLL format."""

    train: Path
    dev: Path
    new_names_tests: Path
    """Folder of test.LANGUAGE.conll, the same sentences in each language."""
    known_names_tests: Path


def write_entities(config: DemoEntitiesConfig, folder: Path) -> DemoEntityFiles:
    """Write English sentences for training, and tests in all languages.

    The files depend on `config` only. No English sentence occurs twice, within a file or in different ones.
    """
    files = DemoEntityFiles(folder / "train.conll", folder / "dev.conll", folder / "new-names", folder / "known-names")
    known_names, new_names = split_names(config.seed)
    seen: set[str] = set()
    _write(config, "train", config.train, known_names, seen, {SOURCE_LANGUAGE: files.train})
    _write(config, "dev", config.dev, known_names, seen, {SOURCE_LANGUAGE: files.dev})
    for name, size, names, tests in (
        ("test", config.test, new_names, files.new_names_tests),
        ("known-names-test", config.known_names_test, known_names, files.known_names_tests),
    ):
        _write(config, name, size, names, seen, {language: tests / f"test.{language}.conll" for language in LANGUAGES})
    return files


def _write(
    config: DemoEntitiesConfig, name: str, size: int, names: Gazetteer, seen: set[str], paths: dict[str, Path]
) -> None:
    rng = random.Random(f"entities {config.seed} {name}")
    sentences = list(islice(_sentences(names, rng, tuple(paths), seen), size))
    for language, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = (
            "".join(f"{token} {tag}\n" for token, tag in zip(*tag_text(sentence[language]), strict=True))
            for sentence in sentences
        )
        path.write_text("\n".join(blocks), encoding="utf-8")


def _sentences(
    names: Gazetteer, rng: random.Random, languages: Sequence[str], seen: set[str]
) -> Iterator[dict[str, Text]]:
    """Yield sentences in `languages` that are not in `seen` (English)."""
    failures = 0
    while True:
        for sentence in islice(write_sentences(build_world(names, rng), rng, tuple(languages)), SENTENCES_PER_WORLD):
            english = sentence.texts[SOURCE_LANGUAGE].text
            if english not in seen:
                seen.add(english)
                failures = 0
                yield dict(sentence.texts)
            elif (failures := failures + 1) > MAX_FAILURES:
                raise InputError(
                    f"demo: not enough distinct sentences, only {len(seen):,} found; lower train, dev, test or "
                    "known_names_test"
                )


def tag_text(text: Text) -> Sentence:
    """Return the words and punctuation marks of a text with their tags in BIO.

    A word that contains a name, such as one with an Arabic prefix, is tagged with the name's type.
    """
    tokens, tags = [], []
    last = None
    for token in _TOKEN.finditer(text.text):
        slot = next((slot for slot in text.slots if token.start() < slot.end and slot.start < token.end()), None)
        kind = TYPES.get(slot.name.label) if slot else None
        tokens.append(token[0])
        tags.append("O" if kind is None else f"{'I' if slot is last else 'B'}-{kind}")
        last = slot
    return Sentence(tuple(tokens), tuple(tags))
