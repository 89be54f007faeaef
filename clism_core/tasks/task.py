"""Interface of a task: all that fine-tuning, prediction, evaluation and the registry need to know of it."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, TypeVar

import pyarrow as pa
from transformers import PreTrainedTokenizerBase

from clism_core.model.inputs import ModelInputs
from clism_core.tasks.hub import HubSplit
from clism_core.tasks.predictor import ModelT, Predictor
from clism_core.tasks.saved_task import ConfigT
from clism_core.tasks.test_data import TestSet, TestSetConfig
from clism_core.training.data.indexed_rows import Row

ExampleT = TypeVar("ExampleT")
Source = str | HubSplit
"""A labelled file, or a split of a data set of the hub."""
FieldKind = Literal["text", "tokens"]


@dataclasses.dataclass(frozen=True)
class RecordFields:
    """Fields of the records that a predictor takes."""

    kinds: Mapping[str, FieldKind]
    """Each field by its name. `predict` reads it from the column that its option `NAME_column` names."""
    needed: Literal["all", "one"] = "all"
    """Whether a record has all of them, or one; of several, the first is read."""


@dataclasses.dataclass(frozen=True)
class CardTexts:
    """Texts about the task for model cards."""

    title: str
    pipeline_tag: str
    """Name of the task on the Hugging Face hub."""
    outputs: str
    """The fields of a prediction."""
    with_que: str
    """Where `[QUE]` stands."""


class Task(ABC, Generic[ConfigT, ExampleT, ModelT]):
    """A task, as one object.

    An example is one labelled question or sentence. A row is one input to train on, as Arrow stores it.
    """

    model: type[ModelT]
    """The model; it names the options and the objective."""
    predictor: type[Predictor[ModelT]]
    """The predictor of such models."""
    training_schema: ClassVar[pa.Schema]
    """The columns of rows; `length`, in tokens, is one of them."""
    encoder_warnings: ClassVar[Mapping[str, str]] = {}
    """Text of the warning for each count that the encoder returns, after the number."""
    record_fields: ClassVar[RecordFields]
    output_schema: ClassVar[pa.Schema]
    """The columns of a prediction."""
    predict_options: ClassVar[Mapping[str, int]] = {}
    """Options of the predictor's call that users of the registered model may give, with their defaults."""
    input_example: ClassVar[Sequence[dict[str, Any]]]
    """Records that show what the registered model takes."""
    scorer: ClassVar[str]
    """Name of the scorer of the development data."""
    example_dataset: ClassVar[str]
    """A data set that models of the task are usually tested on."""
    card: ClassVar[CardTexts]

    @property
    def config_class(self) -> type[ConfigT]:
        """The options of the task."""
        found: type[ConfigT] = self.model.config_class
        return found

    @property
    def name(self) -> str:
        """Name of the task on the command line and in `task.json`."""
        return self.config_class.task

    @property
    def registered_name(self) -> str:
        """Name of the task's models in the registry."""
        return f"clism-{self.name}"

    def problems(self, config: ConfigT) -> Iterator[str]:  # noqa: ARG002 (a task need not have any)
        """Yield what is wrong with the options, one sentence each."""
        yield from ()

    @abstractmethod
    def read_training(
        self, sources: Iterable[Source], config: ConfigT, *, language: str, encoding: str
    ) -> tuple[list[ExampleT], dict[str, int]]:
        """Return the examples to train on, and counts of what was repaired or left out, for MLflow.

        Raises:
            InputError: if a source cannot be read, naming the place.
        """

    @abstractmethod
    def read_development(
        self, sources: Iterable[Source], config: ConfigT, *, language: str, encoding: str
    ) -> list[ExampleT]:
        """Return the examples to evaluate during training.

        Raises:
            InputError: if a source cannot be read, naming the place.
        """

    @abstractmethod
    def content(self, example: ExampleT) -> Hashable:
        """Return the input of an example: examples with an equal one are the same, whatever their labels."""

    @abstractmethod
    def encoder(
        self, tokenizer: PreTrainedTokenizerBase, config: ConfigT
    ) -> Callable[[ExampleT], tuple[list[Row], dict[str, int]]]:
        """Return the function that turns an example into rows of `training_schema` and counts of `encoder_warnings`."""

    @abstractmethod
    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[Sequence[Row]], ModelInputs]:
        """Return the function that pads rows to a batch."""

    @abstractmethod
    def development_set(self, examples: Sequence[ExampleT], language: str) -> TestSet:
        """Return the development data as a test set; its first score selects checkpoints."""

    @abstractmethod
    def read_test_set(self, test: TestSetConfig, source: Source, language: str, config: ConfigT) -> TestSet:
        """Read one file or split of a configured test set.

        Args:
            test: configuration of the test set.
            source: one of its files, or its split.
            language: language of the results.
            config: options of the model that is tested.

        Raises:
            InputError: if it cannot be read, or cannot be scored for such a model.
        """

    def language_in_name(self, path: str) -> str | None:  # noqa: ARG002 (a task need not have any)
        """Return the language in the name of a file that is named as the task's own data sets are; None elsewhere."""
        return None

    def describe(self, record: Mapping[str, Any], prediction: Mapping[str, Any]) -> str:
        """Return a record and its prediction in a line, for people."""
        given, found = (", ".join(str(value) for value in values.values()) for values in (record, prediction))
        return f"{given}  ->  {found}"
