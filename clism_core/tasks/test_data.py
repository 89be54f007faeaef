"""What every test set can do, whatever it tests.

A model gives one output for each record of a test set. From the outputs come the predictions, the text of a file that
other scorers read, and from the predictions come the scores: so scores can be had anew without the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Protocol

from clism_core.tasks.hub import HubSplit
from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.utils.digests import text_digest
from clism_core.utils.fields import LabelledFiles

RETRIEVAL = "retrieval"
"""The kind of test sets that need no task model, but an encoder."""


@dataclass
class TestSetConfig:
    """One test set or, where `path` stands for several files, one for each of them."""

    __test__: ClassVar[bool] = False  # it is no test of pytest's

    dataset: str
    """Its name in the results, such as xquad or mlqa."""
    path: Annotated[str | HubSplit, LabelledFiles()]
    """A file, a folder or a glob, local or s3://: questions in SQuAD format, sentences in CoNLL's or WikiAnn's, for
    retrieval a TSV file of two columns. Or a data set of the Hugging Face hub: {name: google/xquad, subset: xquad.ar,
    split: validation}."""
    language: str | None = None
    """ar, or ar-de where passages are Arabic and questions German, or for pairs of Arabic and German. null: what the
    file's name says, test-context-ar-question-de.json (MLQA) or xquad.ar.json, flores.en-ar.tsv."""
    kind: Literal["task", "retrieval"] = "task"
    """task: what the model was fine-tuned for; retrieval: whether the vectors of a sentence and of its translation are
    nearest to each other, for which any encoder will do."""
    scorer: Literal["squad-1.1", "mlqa-1.0"] | None = None
    """Of questions; null: mlqa-1.0 where the name of the data set begins with mlqa, squad-1.1 elsewhere."""
    encoding: str = "utf-8"
    """Of files of sentences or pairs; those of CoNLL-2002 are often latin-1."""


@dataclass(frozen=True)
class Scored:
    """What the predictions for a test set score."""

    summary: Mapping[str, Any]
    """The figures as `metrics.json` has them: `n`, `scorer`, scores of 0 to 100, and `by_label` for NER."""
    examples: Mapping[str, ScoredExamples]
    """The parts of each score by its name, that by which models are compared first."""
    by_label: Mapping[str, ScoredExamples] = field(default_factory=dict)
    """The parts of the F1 of each type of entity."""


class TestSet(Protocol):
    """Examples of one language, with what is right about them."""

    @property
    def dataset(self) -> str:
        """The name of the data set, such as xquad."""

    @property
    def language(self) -> str:
        """Such as ar, or ar-de."""

    @property
    def kind(self) -> str:
        """What the test set tests: a task by its name, or retrieval."""

    @property
    def scorer(self) -> str:
        """The name of the scorer."""

    @property
    def score_names(self) -> tuple[str, ...]:
        """The names of its scores, first the one by which models are compared."""

    @property
    def is_cross(self) -> bool:
        """Whether an input has two languages, as MLQA's cross pairs have: averages keep them apart."""

    @property
    def examples(self) -> Sequence[Any]:
        """The examples, in the order of the file."""

    @property
    def ending(self) -> Literal["json", "conll"]:
        """Of the name of the file of predictions."""

    def records(self) -> list[dict[str, Any]]:
        """Return what the model is given."""

    def predictions(self, outputs: Sequence[Any]) -> str:
        """Return the text of the file of predictions, from what the model has said to each record."""

    def score(self, predictions: str) -> Scored:
        """Return what the text of a file of predictions scores.

        Raises:
            InputError: if it is not of this test set.
        """


def title(test_set: TestSet) -> str:
    """Return the name of a test set in messages and file names, such as `xquad/ar`."""
    return f"{test_set.dataset}/{test_set.language}"


def digest(test_set: TestSet) -> str:
    """Return a hash of the examples: predictions for them can be scored by any scorer."""
    return text_digest(repr((test_set.kind, tuple(test_set.examples))))
