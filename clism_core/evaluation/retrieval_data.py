"""Test sets for sentence retrieval: the nearest sentence in the other language should be the translation."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from clism_core.pretraining.evaluation.retrieval import nearest
from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.tasks.test_data import RETRIEVAL, Scored, TestSetConfig
from clism_core.tasks.text_files import read_text, split_lines
from clism_core.utils.errors import InputError

SCORER = "retrieval-accuracy"
"""Name of this scorer in results."""


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


@dataclass(frozen=True)
class PairSet:
    """Sentence pairs; predictions are JSON `{line: [line of the retrieved target, line of the retrieved source]}`.

    The first number is retrieved for the source of the line, the second for its target; lines count from 1.
    """

    dataset: str
    language: str
    examples: tuple[Pair, ...]
    scorer: str = SCORER
    kind: str = RETRIEVAL
    score_names: tuple[str, ...] = ("accuracy", "reverse_accuracy")
    is_cross: bool = False
    ending: Literal["json", "conll"] = "json"

    def records(self) -> list[dict[str, Any]]:
        """Return all sources and then all targets."""
        return [{"text": each[side]} for side in (0, 1) for each in self.examples]

    def predictions(self, outputs: Sequence[NDArray[np.float32]]) -> str:
        """Return the text of the predictions file, from the vector of each sentence."""
        sources_ND, targets_ND = torch.from_numpy(np.stack(outputs)).split(len(self.examples))
        found = zip(nearest(sources_ND, targets_ND).tolist(), nearest(targets_ND, sources_ND).tolist(), strict=True)
        lines = {str(line): [target + 1, source + 1] for line, (target, source) in enumerate(found, start=1)}
        return json.dumps(lines) + "\n"

    def score(self, predictions: str) -> Scored:
        """Score retrieval in both directions; a sentence with the same text as the translation is correct.

        Raises:
            InputError: if the predictions are for another number of pairs.
        """
        found: dict[str, tuple[int, int]] = json.loads(predictions)
        if len(found) != len(self.examples):
            raise InputError(
                f"predictions for {self.dataset}/{self.language}: there are {len(found)} pairs, but the test set has "
                f"{len(self.examples)}; give predictions for this file"
            )
        hits = {
            f"{line:07d}": [self.examples[found[str(line)][1 - side] - 1][side] == pair[side] for side in (1, 0)]
            for line, pair in enumerate(self.examples, start=1)
        }
        examples = {name: _examples(name, hits, side) for side, name in enumerate(self.score_names)}
        values = {name: scored.value for name, scored in examples.items()}
        return Scored({**values, "n": len(self.examples), "scorer": self.scorer}, examples)


def _examples(name: str, hits: dict[str, list[bool]], side: int) -> ScoredExamples:
    values = np.array([100.0 * hit[side] for hit in hits.values()])
    return ScoredExamples(
        scorer=SCORER, score=name, ids=tuple(hits), numerators=values, denominators=np.ones_like(values)
    )


def read_pair_set(test: TestSetConfig, path: str, language: str) -> PairSet:
    """Read a file with a sentence, a tab and its translation on each line; lines end as in `split_lines`.

    Raises:
        InputError: if the file cannot be read or has no lines, or a line does not have two non-empty columns.
    """
    lines = split_lines(path, read_text(path, encoding=test.encoding))
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise InputError(f"{path} has no lines; give a sentence, a tab and its translation on each line")
    pairs = []
    for number, line in enumerate(lines, start=1):
        columns = line.split("\t")
        if len(columns) != len(Pair._fields) or not all(map(str.strip, columns)):
            filled = sum(bool(column.strip()) for column in columns)
            raise InputError(
                f"{path}, line {number}: {len(columns)} tab-separated columns, {filled} of them with text; give a "
                "sentence, a tab and its translation on each line"
            )
        pairs.append(Pair(*columns))
    return PairSet(test.dataset, language, tuple(pairs))
