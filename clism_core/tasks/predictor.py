"""Interface of predictors: a model of any task, applied to records."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from clism_core.model.precision import Precision, best_device
from clism_core.tasks.task_model import TaskModel
from clism_core.utils.errors import InputError

logger = logging.getLogger(__name__)

BATCH_SIZE = 32
"""Maximum inputs of a forward pass, as a default."""

ModelT = TypeVar("ModelT", bound=TaskModel[Any, Any])
Record = Mapping[str, Any]


class Predicted(NamedTuple):
    """Results for records, in their order."""

    results: list[Any]
    cut: list[bool]
    """Whether the record was longer than the model takes, and lost its end."""


class Predictor(ABC, Generic[ModelT]):
    """A task model that is ready to predict.

    Args:
        model: the model, or one in training, which stays in training mode; it is moved to the device of `precision`.
        batch_size: maximum inputs of a forward pass.
        precision: precision and device of forward passes; None: the GPU if there is one, in its best precision.

    Raises:
        InputError: if batch_size is below 1.
    """

    def __init__(self, model: ModelT, *, batch_size: int = BATCH_SIZE, precision: Precision | None = None):
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}, but must be at least 1")
        self.precision = precision or Precision("auto", best_device())
        self.model = model.to(self.precision.device)
        self.batch_size = batch_size

    @property
    def cut_text(self) -> str:
        """Text of the warning about records that were cut, after their number."""
        return "inputs are longer than the model takes, and lose their end"

    def __call__(self, records: Sequence[Record], **options: Any) -> list[dict[str, Any]]:
        """Return the predictions of `predict`, and warn of records that were cut."""
        predictions, cut = self.predict(records, **options)
        if any(cut):
            logger.warning("%d of %d %s", sum(cut), len(cut), self.cut_text)
        return predictions

    @abstractmethod
    def predict(self, records: Sequence[Record], *args: Any, **options: Any) -> Predicted:
        """Return a prediction for each record, as users get it: a mapping that has the columns of the task's output.

        Raises:
            InputError: if a record lacks a field that the task needs, naming the record and the field.
            FloatingPointError: if the model's logits are not finite.
        """

    def outputs(self, records: Sequence[Record]) -> Predicted:
        """Return an output for each record, as the task's test sets take it: by default, the prediction."""
        return self.predict(records)
