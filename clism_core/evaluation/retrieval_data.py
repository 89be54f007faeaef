"""Test sets of sentence retrieval: is the nearest sentence of the other language the translation?"""

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
from clism_core.tasks.text_files import read_text
from clism_core.utils.errors import InputError

SCORER = "retrieval-accuracy"
"""The name of this scorer in results."""


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


@dataclass(frozen=True)
class PairSet:
    """Pairs of sentences; predictions are `{line: [line of the target found, line of the source found]}` as JSON.

    The first of the two is what was found by the source of the line, the second by its target; lines count from 1.
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
        """Return the file of predictions, from the vector of each sentence."""
        sources_ND, targets_ND = torch.from_numpy(np.stack(outputs)).split(len(self.examples))
        found = zip(nearest(sources_ND, targets_ND).tolist(), nearest(targets_ND, sources_ND).tolist(), strict=True)
        lines = {str(line): [target + 1, source + 1] for line, (target, source) in enumerate(found, start=1)}
        return json.dumps(lines) + "\n"

    def score(self, predictions: str) -> Scored:
        """Return the shares that were found; what reads as the right sentence does is right, too.

        Raises `InputError` where the predictions are not of as many pairs.
        """
        found: dict[str, tuple[int, int]] = json.loads(predictions)
        if len(found) != len(self.examples):
            raise InputError(
                f"predictions for {self.dataset}/{self.language} are of {len(found)} pairs, the test set has "
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
    """Read a file of a sentence and its translation a line, with a tab between them; lines end at "\\n".

    Raises:
        InputError: if it cannot be read, has no lines, or a line has not two columns with a text in each.
    """
    lines = read_text(path, encoding=test.encoding).removesuffix("\n").split("\n")
    pairs = []
    for number, line in enumerate(lines, start=1):
        columns = line.removesuffix("\r").split("\t")
        if len(columns) != len(Pair._fields) or not all(map(str.strip, columns)):
            filled = sum(bool(column.strip()) for column in columns)
            raise InputError(
                f"{path}, line {number}: {len(columns)} tab-separated columns, {filled} of them with a text; give a "
                "sentence and its translation on each line, with one tab between them"
            )
        pairs.append(Pair(*columns))
    return PairSet(test.dataset, language, tuple(pairs))
