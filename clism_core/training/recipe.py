"""Interface of a recipe: the model, batches and evaluation of one kind of training."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from torch import Tensor

from clism_core.model.inputs import ModelInputs
from clism_core.model.precision import Precision
from clism_core.model.trainable import TrainedModel
from clism_core.training.data.indexed_rows import Row

ModelT = TypeVar("ModelT", bound=TrainedModel[Any])
BatchBuilder = Callable[[Sequence[Sequence[Row]]], ModelInputs]
"""Function that makes a micro-batch with one input per group of indexed rows."""
Evaluation = Callable[[], tuple[dict[str, float], float]]
"""Collective that returns metrics and the score by which checkpoints are compared; higher is better."""


class Recipe(Protocol[ModelT]):
    """Parts in which one kind of training differs from another; picklable, with references to large objects."""

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each objective's loss, by objective."""

    @property
    def trained_tokens(self) -> Tensor | None:
        """Ids [K] of the tokens to which the vocabulary is restricted; None for all."""

    def load_model(self, name: str) -> ModelT:
        """Load the model `name`, or a model saved in the folder `name`, on the CPU and with its objectives."""

    def probe(self, model: ModelT) -> ModelInputs:
        """Return a small batch that gives every trained parameter a gradient."""

    def batch_builder(self, model: ModelT) -> BatchBuilder:
        """Return the builder of micro-batches for `model`."""

    def evaluation(self, model: ModelT, *, batch_size: int, precision: Precision) -> Evaluation:
        """Return the evaluation of `model`, with batches of at most `batch_size` inputs."""
