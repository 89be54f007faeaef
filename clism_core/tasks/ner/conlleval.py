"""Precision, recall and F1 of entities as computed by conlleval, the scorer of the CoNLL shared tasks.

An entity is correct if its type and both boundaries are. Tags are read leniently, so that IOB1 and IOB2 denote the same
entities and no tag sequence is invalid: an entity of type X starts at B-X, or at I-X if the previous tag is O, has
another type or does not exist; it continues through I-X.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np

from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.utils.errors import InputError

SCORER = "conlleval"
"""Name of this scorer in results."""


class Entity(NamedTuple):
    """An entity in a sentence: tokens `[start, end)`."""

    label: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class EntityCounts:
    """Numbers of entities, which can be added with `+`."""

    gold: int = 0
    predicted: int = 0
    correct: int = 0

    def __add__(self, other: "EntityCounts") -> "EntityCounts":
        """Return the sums of both counts."""
        return EntityCounts(
            gold=self.gold + other.gold,
            predicted=self.predicted + other.predicted,
            correct=self.correct + other.correct,
        )

    @property
    def precision(self) -> float:
        """Percentage of the predicted entities that are correct; 0 if none is predicted."""
        return 100.0 * self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Percentage of the gold entities that are predicted; 0 if there are none."""
        return 100.0 * self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0 to 100; 0 if both are 0."""
        return 200.0 * self.correct / (self.gold + self.predicted) if self.correct else 0.0


class EntityFigures(TypedDict):
    """Scores for the entities of one type, or of all types."""

    precision: float
    recall: float
    f1: float
    gold: int
    predicted: int
    correct: int


class EntitySummary(EntityFigures):
    """Scores of one test set."""

    n: int
    """Number of sentences."""
    scorer: str
    by_label: dict[str, EntityFigures]


@dataclass(frozen=True, kw_only=True)
class EntityMetrics:
    """Entity counts of a test set."""

    sentences: Mapping[str, Mapping[str, EntityCounts]]
    """Counts from `count_entities`, by sentence id."""
    scorer: str = SCORER

    def overall(self) -> EntityCounts:
        """Return the counts over all types."""
        return _total(counts for sentence in self.sentences.values() for counts in sentence.values())

    def by_label(self) -> dict[str, EntityCounts]:
        """Return the counts of each type in the gold or predicted tags, in alphabetical order."""
        labels = {label for sentence in self.sentences.values() for label in sentence}
        return {
            label: _total(sentence[label] for sentence in self.sentences.values() if label in sentence)
            for label in sorted(labels)
        }

    def summary(self) -> EntitySummary:
        """Return the scores over all types and of each type; raises `InputError` if there are no sentences."""
        if not self.sentences:
            raise InputError("a test set without sentences cannot be scored: give a file with sentences")
        return {
            **_figures(self.overall()),
            "n": len(self.sentences),
            "scorer": self.scorer,
            "by_label": {label: _figures(counts) for label, counts in self.by_label().items()},
        }

    def examples(self, label: str | None = None) -> ScoredExamples:
        """Return the contribution of every sentence to the micro F1 of all types or of `label`."""
        ids = tuple(sorted(self.sentences))
        counts = [
            _total(each for name, each in self.sentences[sentence].items() if label in (None, name)) for sentence in ids
        ]
        return ScoredExamples(
            scorer=self.scorer,
            score="f1" if label is None else f"f1 of {label}",
            ids=ids,
            numerators=np.array([200.0 * each.correct for each in counts], dtype=np.float64),
            denominators=np.array([each.gold + each.predicted for each in counts], dtype=np.float64),
        )


def count_entities(*, gold: Sequence[str], predicted: Sequence[str]) -> dict[str, EntityCounts]:
    """Return the counts of one sentence, by each type in its `gold` or `predicted` tags.

    Raises:
        InputError: if the numbers of tags differ, or a tag is not O, B-X or I-X.
    """
    if len(gold) != len(predicted):
        raise InputError(
            f"a sentence has {len(gold)} gold tags and {len(predicted)} predicted tags: predict one tag per token"
        )
    gold_entities, predicted_entities = set(entities(gold)), set(entities(predicted))
    counts = {
        "gold": Counter(entity.label for entity in gold_entities),
        "predicted": Counter(entity.label for entity in predicted_entities),
        "correct": Counter(entity.label for entity in gold_entities & predicted_entities),
    }
    labels = sorted(counts["gold"].keys() | counts["predicted"].keys())
    return {label: EntityCounts(**{kind: by_type[label] for kind, by_type in counts.items()}) for label in labels}


def entities(tags: Sequence[str]) -> list[Entity]:
    """Return the entities that the tags of one sentence denote, from left to right.

    Raises `InputError` if a tag is not O, B-X or I-X: conlleval would count the S- and E- tags of BIOES wrongly.
    """
    found: list[Entity] = []
    label, start = "", 0
    for position, tag in enumerate([*tags, "O"]):
        prefix, next_label = _parts(tag)
        if label and (prefix != "I" or next_label != label):
            found.append(Entity(label, start, position))
            label = ""
        if next_label and not label:
            label, start = next_label, position
    return found


def _parts(tag: str) -> tuple[str, str]:
    """Return the prefix and the type of a tag; the type of O is empty. A type may contain hyphens."""
    prefix, _, label = tag.partition("-")
    if tag != "O" and (prefix not in ("B", "I") or not label):
        raise InputError(f"tag {tag!r} cannot be scored: tags are O, B-TYPE and I-TYPE; convert other schemes first")
    return prefix, label


def _total(counts: Iterable[EntityCounts]) -> EntityCounts:
    return sum(counts, EntityCounts())


def _figures(counts: EntityCounts) -> EntityFigures:
    return {
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "gold": counts.gold,
        "predicted": counts.predicted,
        "correct": counts.correct,
    }
