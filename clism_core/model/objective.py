"""Interface of an objective: a small module that returns its loss sum, its count and its metrics."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from torch import Tensor, nn

from clism_core.model.inputs import ModelInputs

InputsT = TypeVar("InputsT", bound=ModelInputs)


@dataclass
class States:
    """States of the encoder for a micro-batch: `H` of X [B, L, D], and further ones that an objective `needs`."""

    h_BLD: Tensor
    others: Mapping[str, Tensor] = field(default_factory=dict)
    """Further states by their name in `needs`, such as the states of the unmasked sources [B, S, D]."""


@dataclass
class Result:
    """Sum of losses over items, and sums of metrics over the same items."""

    loss_sum: Tensor
    metric_sums: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """Metric of an objective: summed over its items, and reported as their mean."""

    name: str
    """Key in `Result.metric_sums`; logged as `train/OBJECTIVE_NAME`."""
    evaluation_name: str | None = None
    """Name in evaluations; None: `OBJECTIVE_NAME`."""
    label: str | None = None
    """Label in plots and tables of an evaluation; None: shown in neither."""
    colour: str | None = None
    """Colour of its curve; None: the next one of the cycle."""


class BaseObjective(nn.Module, ABC, Generic[InputsT]):
    """Description of an objective, for code that handles any objective."""

    name: ClassVar[str]
    """Key of its weight `w_NAME`, of its loss `train/NAME_loss` and of its results."""
    label: ClassVar[str]
    """Name in plots and model cards."""
    colour: ClassVar[str | None] = None
    """Colour of its loss in plots; None: the next one of the cycle."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    """Metrics whose sums `Result.metric_sums` holds."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Names of inputs beyond X, or of states beyond `H`, that it reads; the model and its batches define them."""
    new_heads: ClassVar[tuple[str, ...]] = ()
    """Submodules that start untrained on a trained encoder; they are trained at `head_learning_rate`."""


class Objective(BaseObjective[InputsT]):
    """Objective whose items are each computed from a single micro-batch."""

    @abstractmethod
    def count(self, batch: InputsT) -> int:
        """Return the number of items of `batch` over which the loss is summed."""

    @abstractmethod
    def forward(self, states: States, batch: InputsT) -> Result:
        """Return the loss sum, with a graph even if there are no items."""


class ContrastiveObjective(BaseObjective[InputsT]):
    """Objective that compares every input of the global batch with every other one.

    Its `forward` must not draw random numbers, because it is replayed if there are several micro-batches.
    """

    @abstractmethod
    def forward(self, states: States, batch: InputsT) -> Tensor:
        """Return V vectors per input, [B, V, D] in fp32."""

    @abstractmethod
    def loss(self, vectors_NVD: Tensor, keys_N2: Tensor) -> Result:
        """Return the loss sum over the N inputs of the global batch."""


AnyObjective: TypeAlias = Objective[Any] | ContrastiveObjective[Any]
