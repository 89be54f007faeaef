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
    """By the name in `needs`, such as the plain sources' states [B, S, D]."""


@dataclass
class Result:
    """A sum of losses over items, and sums of metrics over the same items."""

    loss_sum: Tensor
    metric_sums: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """A metric of an objective: a sum over its items, reported as the mean over them."""

    name: str
    """Key in `Result.metric_sums`; logged as `train/OBJECTIVE_NAME`."""
    evaluation_name: str | None = None
    """Name in evaluations; None: `OBJECTIVE_NAME`."""
    label: str | None = None
    """Label in plots and tables of an evaluation; None: shown in neither."""
    colour: str | None = None
    """Colour of its curve; None: the next one of the cycle."""


class BaseObjective(nn.Module, ABC, Generic[InputsT]):
    """Facts of an objective's class, for whatever asks about objectives without knowing them."""

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
    """Submodules that start untrained on a trained encoder; `head_learning_rate` is theirs."""


class Objective(BaseObjective[InputsT]):
    """An objective whose items stand in one micro-batch."""

    @abstractmethod
    def count(self, batch: InputsT) -> int:
        """Return how many items of `batch` the loss is summed over."""

    @abstractmethod
    def forward(self, states: States, batch: InputsT) -> Result:
        """Return the loss sum, with a graph even where there is no item."""


class ContrastiveObjective(BaseObjective[InputsT]):
    """An objective that compares every input of the global batch with every other one.

    Its `forward` draws no random numbers: with several micro-batches it is replayed.
    """

    @abstractmethod
    def forward(self, states: States, batch: InputsT) -> Tensor:
        """Return V vectors of each input, [B, V, D] in fp32."""

    @abstractmethod
    def loss(self, vectors_NVD: Tensor, keys_N2: Tensor) -> Result:
        """Return the loss sum over the N inputs of the global batch."""


AnyObjective: TypeAlias = Objective[Any] | ContrastiveObjective[Any]
