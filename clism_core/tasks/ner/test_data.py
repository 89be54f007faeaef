"""Test sets of named entity recognition."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clism_core.tasks.hub import HubSplit
from clism_core.tasks.ner import conlleval
from clism_core.tasks.ner.conll_format import Sentence, read_tagged
from clism_core.tasks.test_data import Scored, TestSetConfig
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

logger = logging.getLogger(__name__)

_WHITE_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class TaggedSet:
    """Sentences with entity tags; predictions are lines of token, gold tag and predicted tag, conlleval's format."""

    dataset: str
    language: str
    examples: tuple[Sentence, ...]
    scorer: str = conlleval.SCORER
    kind: str = "ner"
    score_names: tuple[str, ...] = ("f1",)
    is_cross: bool = False
    ending: Literal["json", "conll"] = "conll"

    def records(self) -> list[dict[str, Any]]:
        """Return the tokens of the sentences."""
        return [{"tokens": list(each.tokens)} for each in self.examples]

    def predictions(self, outputs: Sequence[Sequence[str]]) -> str:
        """Return the text of the predictions file, from the tags of each sentence.

        White space in a token or type is replaced by "_", because conlleval treats it as a column separator.
        """
        blocks = [
            "".join(
                f"{_column(token)} {_column(gold)} {_column(predicted)}\n"
                for token, gold, predicted in zip(sentence.tokens, sentence.tags, tags, strict=True)
            )
            for sentence, tags in zip(self.examples, outputs, strict=True)
        ]
        return "".join(f"{block}\n" for block in blocks)

    def score(self, predictions: str) -> Scored:
        """Count entities as conlleval does; raises `InputError` if the gold tags differ from those of the test set."""
        blocks = [[line.split(" ")[-2:] for line in block.split("\n")] for block in predictions.split("\n\n")[:-1]]
        gold = [tuple(line[0] for line in block) for block in blocks]
        if gold != [tuple(map(_column, each.tags)) for each in self.examples]:
            raise InputError(
                f"predictions for {self.dataset}/{self.language}: the gold tags differ from those of the test set; "
                "give predictions for this file"
            )
        metrics = conlleval.EntityMetrics(
            sentences={
                f"{number:07d}": conlleval.count_entities(gold=gold[number], predicted=[line[1] for line in block])
                for number, block in enumerate(blocks)
            }
        )
        summary = metrics.summary()
        labels = {label: metrics.examples(label) for label in summary["by_label"]}
        return Scored(summary, {"f1": metrics.examples()}, labels)


def _column(text: str) -> str:
    return _WHITE_SPACE.sub("_", text)


def read_tagged_set(
    test: TestSetConfig, path: str | HubSplit, language: str, *, types: Sequence[str] | None
) -> TaggedSet:
    """Read the sentences of a file or of a split on the hub.

    Args:
        test: configuration of the test set.
        path: one of its files, or its split.
        language: language of the sentences.
        types: entity types of the model.

    Raises:
        InputError: as `read_tagged` does, and if the model has none of the types, or a scorer for answers is
            configured.
    """
    if test.scorer is not None:
        raise InputError(
            f"{test.dataset}/{language}: scorer is {test.scorer}, but entities are scored by conlleval; omit scorer"
        )
    data = read_tagged(path, encoding=test.encoding)
    data.warn_without_entities(f"{test.dataset}/{language}: {path if isinstance(path, str) else path.title}")
    if data.repaired:
        logger.warning(
            "%s/%s: %d gold tags violate their scheme and are read as conlleval reads them",
            *(test.dataset, language, data.repaired),
        )
    unknown = [label for label in data.entities if types is not None and label not in types]
    if unknown and len(unknown) == len(data.entities):
        raise InputError(
            f"{test.dataset}/{language}: the entity types are {listed(unknown)}, but the model predicts "
            f"{listed(types or ())}; rename the types, or give a model that was trained on them"
        )
    if unknown:
        logger.warning(
            "%s/%s: the model does not predict %s; all of these entities count as missed",
            *(test.dataset, language, listed(unknown)),
        )
    return TaggedSet(test.dataset, language, data.sentences)
