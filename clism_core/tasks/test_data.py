"""Interface of test sets.

A model returns one output for each record of a test set. The outputs become predictions: the text of a file in the
format of the official scorers. Scores are computed from the predictions, so rescoring needs no model.
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
"""Kind of the test sets that need an encoder instead of a task model."""


@dataclass
class TestSetConfig:
    """One test set, or one per file if `path` matches several files."""

    __test__: ClassVar[bool] = False  # so that pytest does not collect it

    dataset: str
    """Name of the data set in the results, such as xquad or mlqa."""
    path: Annotated[str | HubSplit, LabelledFiles()]
    """A file, a folder or a glob, local or s3://: questions in SQuAD format, sentences in CoNLL or WikiAnn format, or,
    for retrieval, sentence pairs in a TSV file of two columns. Or a data set on the Hugging Face Hub: {name:
    google/xquad, subset: xquad.ar, split: validation}."""
    language: str | None = None
    """Language: ar; ar-de for Arabic passages with German questions, or for Arabic-German sentence pairs. null: taken
    from the file name, as in test-context-ar-question-de.json (MLQA), xquad.ar.json or flores.en-ar.tsv."""
    kind: Literal["task", "retrieval"] = "task"
    """task: the task that the model was fine-tuned for; retrieval: find the translation of a sentence by the nearest
    sentence vector, which works with any encoder."""
    scorer: Literal["squad-1.1", "mlqa-1.0"] | None = None
    """Scorer for questions; null: mlqa-1.0 if the name of the data set begins with mlqa, squad-1.1 otherwise."""
    encoding: str = "utf-8"
    """Encoding of files of sentences or pairs; CoNLL-2002 files are often latin-1."""


@dataclass(frozen=True)
class Scored:
    """Scores of the predictions for a test set."""

    summary: Mapping[str, Any]
    """Scores as written to `metrics.json`: `n`, `scorer`, scores of 0 to 100, and `by_label` for NER."""
    examples: Mapping[str, ScoredExamples]
    """Per-example contributions to each score, by its name; the score by which models are compared comes first."""
    by_label: Mapping[str, ScoredExamples] = field(default_factory=dict)
    """Per-example contributions to the F1 of each entity type."""


class TestSet(Protocol):
    """Labelled examples in one language."""

    @property
    def dataset(self) -> str:
        """Name of the data set, such as xquad."""

    @property
    def language(self) -> str:
        """Language, such as ar or ar-de."""

    @property
    def kind(self) -> str:
        """Name of the task under test, or retrieval."""

    @property
    def scorer(self) -> str:
        """Name of the scorer."""

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores; models are compared by the first one."""

    @property
    def is_cross(self) -> bool:
        """Whether an input has two languages, as MLQA's cross-lingual pairs do; they are averaged separately."""

    @property
    def examples(self) -> Sequence[Any]:
        """Examples, in file order."""

    @property
    def ending(self) -> Literal["json", "conll"]:
        """Extension of the predictions file."""

    def records(self) -> list[dict[str, Any]]:
        """Return the inputs of the model."""

    def predictions(self, outputs: Sequence[Any]) -> str:
        """Return the text of the predictions file, from the model's output for each record."""

    def score(self, predictions: str) -> Scored:
        """Score the text of a predictions file.

        Raises:
            InputError: if the predictions are for other examples than those of this test set.
        """


def title(test_set: TestSet) -> str:
    """Return the name of a test set in messages and file names, such as `xquad/ar`."""
    return f"{test_set.dataset}/{test_set.language}"


def digest(test_set: TestSet) -> str:
    """Return a hash of the examples; it does not depend on the scorer, as any scorer can score their predictions."""
    return text_digest(repr((test_set.kind, tuple(test_set.examples))))
