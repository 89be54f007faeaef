"""What one kind of training has of its own: its model, its batches, its evaluation."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from clism_core.model.inputs import ModelInputs
from clism_core.model.precision import Precision
from clism_core.model.trainable import TrainedModel
from clism_core.training.data.indexed_rows import Row

ModelT = TypeVar("ModelT", bound=TrainedModel[Any])
BatchBuilder = Callable[[Sequence[Sequence[Row]]], ModelInputs]
"""Makes a micro-batch with one input for each group of indexed rows."""
Evaluation = Callable[[], tuple[dict[str, float], float]]
"""Returns metrics and the score by which checkpoints are compared, higher is better (a collective)."""


class Recipe(Protocol[ModelT]):
    """What one kind of training differs in from another; picklable, large things as references."""

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each objective's loss, by its name."""

    def load_model(self, name: str) -> ModelT:
        """Return the model called `name`, or saved by itself in the folder `name`, with its objectives, on the CPU."""

    def probe(self, model: ModelT) -> ModelInputs:
        """Return a small batch by which all that is trained gets a gradient."""

    def batch_builder(self, model: ModelT) -> BatchBuilder:
        """Return what makes micro-batches for `model`."""

    def evaluation(self, model: ModelT, *, batch_size: int, precision: Precision) -> Evaluation:
        """Return the evaluation of `model`, with batches of at most `batch_size` inputs."""
