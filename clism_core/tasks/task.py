"""Interface of a task: everything that fine-tuning, prediction, evaluation and the registry need to know about it."""

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
"""A labelled file, or a split of a data set on the hub."""
FieldKind = Literal["text", "tokens"]


@dataclasses.dataclass(frozen=True)
class RecordFields:
    """Fields of the records that a predictor accepts."""

    kinds: Mapping[str, FieldKind]
    """Kind of each field, by name. `predict` reads the field from the column given by its option `NAME_column`."""
    needed: Literal["all", "one"] = "all"
    """Whether a record must have all fields or one of them; if it has several, the first is read."""


@dataclasses.dataclass(frozen=True)
class CardTexts:
    """Texts about the task for model cards."""

    title: str
    pipeline_tag: str
    """Name of the task on the Hugging Face Hub."""
    outputs: str
    """Description of the fields of a prediction."""
    with_que: str
    """Description of the position of `[QUE]`."""


class Task(ABC, Generic[ConfigT, ExampleT, ModelT]):
    """Definition of a task.

    An example is one labelled question or sentence. A row is one training input, as Arrow stores it.
    """

    model: type[ModelT]
    """Class of the task's models, which names the class of the options and the objective."""
    predictor: type[Predictor[ModelT]]
    """Class of the predictors of these models."""
    training_schema: ClassVar[pa.Schema]
    """Columns of training rows, among them `length`, in tokens."""
    encoder_warnings: ClassVar[Mapping[str, str]] = {}
    """Text of the warning for each count that the encoder returns; it follows the number."""
    record_fields: ClassVar[RecordFields]
    output_schema: ClassVar[pa.Schema]
    """Columns of a prediction."""
    predict_options: ClassVar[Mapping[str, int]] = {}
    """Options of the predictor that users of the registered model may set, with their defaults."""
    input_example: ClassVar[Sequence[dict[str, Any]]]
    """Example inputs of the registered model."""
    scorer: ClassVar[str]
    """Name of the scorer for the development data."""
    example_dataset: ClassVar[str]
    """Name of a data set on which models of the task are usually tested."""
    card: ClassVar[CardTexts]

    @property
    def config_class(self) -> type[ConfigT]:
        """Class of the task's options."""
        config_class: type[ConfigT] = self.model.config_class
        return config_class

    @property
    def name(self) -> str:
        """Name of the task on the command line and in `task.json`."""
        return self.config_class.task

    @property
    def registered_name(self) -> str:
        """Name of the task's models in the registry."""
        return f"clism-{self.name}"

    def problems(self, config: ConfigT) -> Iterator[str]:  # noqa: ARG002 (a task need not have any)
        """Yield the problems of the options, one message each."""
        yield from ()

    @abstractmethod
    def read_training(
        self, sources: Iterable[Source], config: ConfigT, *, language: str, encoding: str
    ) -> tuple[list[ExampleT], dict[str, int]]:
        """Return the training examples, and counts of repaired and omitted ones for MLflow.

        Raises:
            InputError: if a source cannot be read, naming the file and line or row.
        """

    @abstractmethod
    def read_development(
        self, sources: Iterable[Source], config: ConfigT, *, language: str, encoding: str
    ) -> list[ExampleT]:
        """Return the examples to evaluate during training.

        Raises:
            InputError: if a source cannot be read, naming the file and line or row.
        """

    @abstractmethod
    def content(self, example: ExampleT) -> Hashable:
        """Return the input of an example; examples with equal inputs are duplicates, regardless of their labels."""

    @abstractmethod
    def encoder(
        self, tokenizer: PreTrainedTokenizerBase, config: ConfigT
    ) -> Callable[[ExampleT], tuple[list[Row], dict[str, int]]]:
        """Return the function from an example to rows of `training_schema` and counts for `encoder_warnings`."""

    def development_inputs(
        self,
        tokenizer: PreTrainedTokenizerBase,  # noqa: ARG002 (a task need not know)
        config: ConfigT,  # noqa: ARG002
    ) -> Callable[[ExampleT], Iterable[list[int]]] | None:
        """Return the function from a development example to the token ids of its inputs in a prediction.

        None if the task does not know them: the whole vocabulary is trained then.
        """
        return None

    @abstractmethod
    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[Sequence[Row]], ModelInputs]:
        """Return the function that pads rows into a batch."""

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
            config: options of the model under test.

        Raises:
            InputError: if the source cannot be read, or cannot be scored for such a model.
        """

    def language_in_name(self, path: str) -> str | None:  # noqa: ARG002 (a task need not have any)
        """Return the language in a file name that follows the conventions of the task's data sets; None for others."""
        return None

    def describe(self, record: Mapping[str, Any], prediction: Mapping[str, Any]) -> str:
        """Return a record and its prediction as one readable line."""
        inputs, outputs = (", ".join(str(value) for value in values.values()) for values in (record, prediction))
        return f"{inputs}  ->  {outputs}"
