"""Parallel corpus of the demo: English with five languages, generated from templates and localised names."""

import csv
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from clism_core.demo.names import LANGUAGES, SOURCE_LANGUAGE
from clism_core.demo.questions import write_bare_questions
from clism_core.demo.sentences import Sentence, build_worlds, write_sentences
from clism_core.demo.world import World
from clism_core.utils.errors import InputError

TARGET_LANGUAGES = LANGUAGES[1:]

_Writer = Callable[[World, random.Random, tuple[str, ...]], Iterator[Sentence]]


@dataclass
class DemoCorpusConfig:
    """Size of the demo corpus."""

    target_langs: list[str] = field(default_factory=lambda: list(TARGET_LANGUAGES))
    """Languages beside English: ar, hi, vi, de, es."""
    pairs_per_language: int = 2000
    """Training pairs per language."""
    questions_per_language: int = 300
    """Additional training pairs per language that are questions without answers. Real parallel corpora contain some;
    without them, the encoder would see no question in other languages before evaluation."""
    held_out_pairs_per_language: int = 150
    """Pairs per language about people, places and dates that do not occur in training pairs."""
    seed: int = 0
    """Seed for the held-out names, the facts of the world and the sentences."""


def generate_corpus(config: DemoCorpusConfig) -> dict[str, dict[str, list[Sentence]]]:
    """Return {target language: {"train" or "held_out": sentences}}, each sentence in English and that language.

    The sentences of all languages are about the same two worlds; no sentence occurs twice within a language.

    Raises:
        InputError: if a target language is not supported by the demo.
    """
    if unknown := sorted(set(config.target_langs) - set(TARGET_LANGUAGES)):
        raise InputError(
            f"target_langs: {', '.join(unknown)} not supported by the demo corpus; choose from "
            f"{', '.join(TARGET_LANGUAGES)}"
        )
    worlds = build_worlds(config.seed)

    def draw(write: _Writer, target: str, origin: str, size: int, *, name: str) -> list[Sentence]:
        rng = random.Random(f"{config.seed} {target} {name}")
        return _distinct(write(worlds[origin], rng, (SOURCE_LANGUAGE, target)), size)

    return {
        target: {
            "train": draw(write_sentences, target, "train", config.pairs_per_language, name="train")
            + draw(write_bare_questions, target, "train", config.questions_per_language, name="questions"),
            "held_out": draw(write_sentences, target, "held_out", config.held_out_pairs_per_language, name="held_out"),
        }
        for target in config.target_langs
    }


def write_corpus(config: DemoCorpusConfig, folder: Path) -> list[Path]:
    """Write `en-XX.tsv` for each target language XX into `folder`, and return the paths.

    Columns, given in a header line: source, target, origin ("train" or "held_out"). The files depend on `config` only.

    Raises:
        InputError: if a target language is not supported by the demo.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for target, parts in generate_corpus(config).items():
        path = folder / f"{SOURCE_LANGUAGE}-{target}.tsv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
            rows.writerow(["source", "target", "origin"])
            for origin, sentence in chain.from_iterable(((o, s) for s in part) for o, part in parts.items()):
                rows.writerow([sentence.texts[SOURCE_LANGUAGE].text, sentence.texts[target].text, origin])
        paths.append(path)
    return paths


def _distinct(sentences: Iterable[Sentence], count: int) -> list[Sentence]:
    """Return the first `count` sentences none of whose texts has occurred before."""
    seen: set[str] = set()
    kept: list[Sentence] = []
    for sentence in sentences:
        if len(kept) == count:
            break
        sides = {text.text for text in sentence.texts.values()}
        if not sides & seen:
            seen |= sides
            kept.append(sentence)
    return kept
