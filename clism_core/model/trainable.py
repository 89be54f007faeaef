"""Base class of trained models: an encoder, and the objectives that train it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Generic

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import cached_file

from clism_core.model.encoder import embedding_weight, encode
from clism_core.model.objective import (
    AnyObjective,
    BaseObjective,
    ContrastiveObjective,
    InputsT,
    Objective,
    Result,
    States,
)
from clism_core.utils.errors import InputError


class TrainedModel(nn.Module, ABC, Generic[InputsT]):
    """An encoder, its tokenizer with `[QUE]`, and objectives over the encoder's states, set by `use`."""

    def __init__(self, encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase):
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.objectives = nn.ModuleDict()

    @property
    def hidden_size(self) -> int:
        """Width D of the encoder's states."""
        return embedding_weight(self.encoder).shape[1]

    def use(self, objectives: Mapping[str, AnyObjective]) -> None:
        """Train with these objectives."""
        del self.objectives  # to become the last module: a head's parameters go by the first name that they have
        self.objectives = nn.ModuleDict(dict(objectives))

    def new_head_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the heads that start untrained, as the objectives declare them."""
        heads = [module.get_submodule(name) for module in self._objectives() for name in module.new_heads]
        return [parameter for head in heads for parameter in head.parameters()]

    def _objectives(self) -> list[BaseObjective[InputsT]]:
        return [module for module in self.objectives.values() if isinstance(module, BaseObjective)]

    def needs(self) -> frozenset[str]:
        """Return what the objectives need beyond X and its states."""
        return frozenset().union(*(objective.needs for objective in self._objectives()))

    def contrastive(self) -> dict[str, ContrastiveObjective[InputsT]]:
        """Return the objectives that compare the inputs of the global batch."""
        return {n: module for n, module in self.objectives.items() if isinstance(module, ContrastiveObjective)}

    def forward(self, batch: InputsT) -> dict[str, Result | Tensor]:
        """Return each objective's loss sum, or its vectors where it needs the global batch, by its name."""
        states = self.states(batch, self.needs())
        return {name: objective(states, batch) for name, objective in self.objectives.items()}

    def count(self, name: str, batch: InputsT) -> int:
        """Return how many items of `batch` an objective has; inputs, for a contrastive one."""
        objective = self.objectives[name]
        if isinstance(objective, Objective):
            return int(objective.count(batch))
        return len(batch.input_ids)

    def results(self, batch: InputsT) -> dict[str, Result]:
        """Return the loss sums of the objectives that need no global batch alone."""
        local = {name: module for name, module in self.objectives.items() if isinstance(module, Objective)}
        states = self.states(batch, frozenset().union(*(objective.needs for objective in local.values())))
        return {name: objective(states, batch) for name, objective in local.items()}

    def contrastive_vectors(self, batch: InputsT) -> dict[str, Tensor]:
        """Return the vectors of the contrastive objectives alone, with the dropout that `forward` would draw."""
        states = self.states(batch, self.needs())
        return {name: objective(states, batch) for name, objective in self.contrastive().items()}

    def states(self, batch: InputsT, needs: AbstractSet[str] = frozenset()) -> States:  # noqa: ARG002 (of subclasses)
        """Encode X, and then what else the objectives need, always in one order: dropout depends on it."""
        return States(encode(self.encoder, batch.input_ids, batch.attention_mask, batch.token_type_ids))

    def save(self, folder: Path) -> None:
        """Write encoder and tokenizer as a Hugging Face folder, and the heads beside them."""
        self.encoder.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        self.save_heads(folder)

    @abstractmethod
    def save_heads(self, folder: Path) -> None:
        """Write what the encoder's own format has no place for into `folder`."""


def save_weights(weights: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors, wherever they are, as safetensors."""
    save_file({name: weight.detach().cpu().contiguous() for name, weight in weights.items()}, file)


def load_head(head: nn.Module, folder: str, file: str, *, saved: Mapping[str, Tensor] | None = None) -> bool:
    """Load the head that was saved as `file` beside the encoder of `folder`, where there is one; say whether there is.

    Args:
        head: gets the weights.
        folder: of the encoder, or its name on the hub.
        file: of the head.
        saved: those of the head's weights that are in a file; all of them, if none are tied to the encoder's.

    Raises:
        InputError: if what is there is another head, one of another encoder, or a part of one.
    """
    found = cached_file(folder, file, _raise_exceptions_for_missing_entries=False)
    if found is None:
        return False
    weights: dict[str, Any] = load_file(found)
    own = head.state_dict() if saved is None else saved
    unexpected = sorted(name for name in weights if name not in own or weights[name].shape != own[name].shape)
    if unexpected:
        raise InputError(f"{found}: not a head of this encoder: it holds {', '.join(unexpected)}")
    missing = sorted(own.keys() - weights.keys())
    if missing:
        raise InputError(f"{found}: not a whole head: it lacks {', '.join(missing)}; copy or download it once more")
    head.load_state_dict(weights, strict=False)
    return True


def freeze_unused(model: TrainedModel[InputsT], batch: InputsT) -> list[str]:
    """Freeze the parameters that no objective reaches (a pooler, the heads of objectives that are off).

    DDP waits for the gradient of every parameter that is not frozen. They are found by one backward pass, so
    that it works for any architecture.

    Returns:
        the names of the frozen parameters.
    """
    model.zero_grad(set_to_none=True)
    results = model(batch)
    torch.stack([r.loss_sum if isinstance(r, Result) else r.sum() for r in results.values()]).sum().backward()
    unused = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in unused)
    model.zero_grad(set_to_none=True)
    return unused
