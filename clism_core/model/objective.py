"""What an objective is: a small module that returns its loss sum, its count and its metrics."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from torch import Tensor, nn

from clism_core.model.inputs import ModelInputs

InputsT = TypeVar("InputsT", bound=ModelInputs)


@dataclass
class States:
    """What the encoder makes of a micro-batch: `H` of X [B, L, D]; the plain sources' states [B, S, D] if wanted."""

    h_BLD: Tensor
    plain_BSD: Tensor | None = None


@dataclass
class Result:
    """A sum of losses over items, and sums of metrics over the same items."""

    loss_sum: Tensor
    metric_sums: dict[str, Tensor] = field(default_factory=dict)


class BaseObjective(nn.Module, ABC, Generic[InputsT]):
    """Facts of an objective's class, for whatever asks about objectives without knowing them."""

    name: ClassVar[str]
    """Key of its weight, of its loss `train/NAME_loss` and of its results."""
    new_heads: ClassVar[tuple[str, ...]] = ()
    """Submodules that start untrained on a trained encoder; `head_learning_rate` is theirs."""


class Objective(BaseObjective[InputsT]):
    """An objective whose items stand in one micro-batch."""

    metrics: ClassVar[tuple[str, ...]]
    """Names of its metric sums."""

    @abstractmethod
    def count(self, batch: InputsT) -> int:
        """Return how many items of `batch` the loss is summed over."""

    @abstractmethod
    def forward(self, states: States, batch: InputsT) -> Result:
        """Return the loss sum, with a graph even where there is no item."""


class ContrastiveObjective(BaseObjective[InputsT]):
    """An objective that compares every input of the global batch with every other one."""

    @abstractmethod
    def forward(self, states: States, batch: InputsT) -> Tensor:
        """Return V vectors of each input, [B, V, D] in fp32."""

    @abstractmethod
    def loss(self, vectors_NVD: Tensor, keys_N2: Tensor) -> Result:
        """Return the loss sum over the N inputs of the global batch."""


AnyObjective: TypeAlias = Objective[Any] | ContrastiveObjective[Any]
