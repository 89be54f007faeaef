"""Interface of predictors: apply a model of any task to records."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch

from clism_core.model.precision import Precision, best_device, prediction_precision
from clism_core.tasks.task_model import TaskModel
from clism_core.utils.errors import InputError

logger = logging.getLogger(__name__)

BATCH_SIZE = 32
"""Default maximum number of inputs in a forward pass."""

ModelT = TypeVar("ModelT", bound=TaskModel[Any, Any])
Record = Mapping[str, Any]


class Predicted(NamedTuple):
    """Results for a sequence of records, in the same order."""

    results: list[Any]
    cut: list[bool]
    """Whether each record exceeded the model's maximum length and was truncated."""


class Predictor(ABC, Generic[ModelT]):
    """A task model ready for prediction.

    Args:
        model: the model. It is moved to the device of `precision`; a model in training mode stays in that mode.
        batch_size: maximum number of inputs in a forward pass.
        precision: precision and device of forward passes; None: `prediction_precision` on the GPU if there
            is one.

    Raises:
        InputError: if batch_size is below 1.
    """

    truncated: ClassVar[str] = "inputs exceed the maximum length of the model and are truncated"
    """Text of the warning about truncated records; it follows their number."""

    def __init__(self, model: ModelT, *, batch_size: int = BATCH_SIZE, precision: Precision | None = None):
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}, but must be at least 1")
        self.precision = precision or prediction_precision(best_device())
        self.model = model.to(self.precision.device)
        self.batch_size = batch_size

    def __call__(self, records: Sequence[Record], **options: Any) -> list[dict[str, Any]]:
        """Return the predictions of `predict` and warn about truncated records."""
        predictions, cut = self.predict(records, **options)
        if any(cut):
            logger.warning("%d of %d %s", sum(cut), len(cut), self.truncated)
        return predictions

    @contextmanager
    def predicting(self) -> Iterator[None]:
        """Put the model into evaluation mode, without gradients, and restore its mode at the end."""
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.model.train(was_training)

    @abstractmethod
    def predict(self, records: Sequence[Record], *args: Any, **options: Any) -> Predicted:
        """Return a prediction for each record, as users see it: a mapping with the columns of the task's output.

        Raises:
            InputError: if a record lacks a field that the task needs, naming the record and the field.
            FloatingPointError: if the model's logits are not finite.
        """

    def outputs(self, records: Sequence[Record]) -> Predicted:
        """Return an output for each record, as the task's test sets expect it: by default, the prediction."""
        return self.predict(records)
