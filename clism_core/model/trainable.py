"""Base class of trained models: an encoder, and the objectives that train it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Generic

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

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
from clism_core.model.trained_vocabulary import TrainedVocabulary
from clism_core.model.weights import check_finite, find_file, read_weights
from clism_core.utils.errors import InputError


class TrainedModel(nn.Module, ABC, Generic[InputsT]):
    """Encoder, its tokenizer with `[QUE]`, and objectives over the encoder's states, set by `use`.

    While it is trained, its vocabulary may be restricted to some tokens by `restrict_vocabulary`.
    """

    def __init__(self, encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase):
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.vocabulary = TrainedVocabulary()
        self.objectives = nn.ModuleDict()

    @property
    def hidden_size(self) -> int:
        """Width D of the encoder's states, which may differ from that of its embeddings."""
        return int(self.encoder.config.hidden_size)

    def use(self, objectives: Mapping[str, AnyObjective]) -> None:
        """Set the objectives to train with."""
        del self.objectives  # must be the last module: shared parameters of a head are named by their first module
        self.objectives = nn.ModuleDict(dict(objectives))

    def token_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that have a row for each token."""
        return [embedding_weight(self.encoder)]

    def vocabulary_problem(self) -> str:
        """Return why the vocabulary cannot be restricted; empty if it can."""
        embedding = self.encoder.get_input_embeddings()
        return "" if isinstance(embedding, nn.Embedding) else f"its embeddings are a {type(embedding).__name__}"

    def restrict_vocabulary(self, ids: Tensor) -> None:
        """Keep the embeddings and logits of some tokens only, while the ids of inputs remain those of the tokenizer.

        Args:
            ids: ids [K] of the tokens, with those of all special tokens and of padding.
        """
        embedding = self.encoder.get_input_embeddings()
        assert isinstance(embedding, nn.Embedding)
        self.vocabulary.restrict(ids, size=embedding.num_embeddings)
        for parameter in self.token_parameters():
            parameter.data = parameter.data[ids]  # parameters stay the same objects: tied ones remain tied
        embedding.num_embeddings = len(ids)
        if embedding.padding_idx is not None:
            embedding.padding_idx = int(self.vocabulary(torch.tensor(embedding.padding_idx)))
        embedding.register_forward_pre_hook(lambda _, inputs: (self.vocabulary(inputs[0]), *inputs[1:]))

    def new_head_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the heads that the objectives declare as untrained."""
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
        """Return the loss sum of each objective, or its vectors if it is contrastive, by name."""
        states = self.states(batch, self.needs())
        return {name: objective(states, batch) for name, objective in self.objectives.items()}

    def count(self, name: str, batch: InputsT) -> int:
        """Return the number of items of an objective in `batch`; for a contrastive one, the number of inputs."""
        objective = self.objectives[name]
        if isinstance(objective, Objective):
            return int(objective.count(batch))
        return len(batch.input_ids)

    def results(self, batch: InputsT) -> dict[str, Result]:
        """Return the loss sums of the objectives that are not contrastive."""
        local = {name: module for name, module in self.objectives.items() if isinstance(module, Objective)}
        states = self.states(batch, frozenset().union(*(objective.needs for objective in local.values())))
        return {name: objective(states, batch) for name, objective in local.items()}

    def contrastive_vectors(self, batch: InputsT) -> dict[str, Tensor]:
        """Return the vectors of the contrastive objectives only, with the same dropout as in `forward`."""
        states = self.states(batch, self.needs())
        return {name: objective(states, batch) for name, objective in self.contrastive().items()}

    def states(self, batch: InputsT, needs: AbstractSet[str] = frozenset()) -> States:  # noqa: ARG002 (of subclasses)
        """Encode X, then the other states that the objectives need, in a fixed order because dropout depends on it."""
        return States(encode(self.encoder, batch.input_ids, batch.attention_mask, batch.token_type_ids))

    def save(self, folder: Path) -> None:
        """Write encoder and tokenizer as a Hugging Face folder, with the heads beside them."""
        assert self.vocabulary.ids is None, "only a model with its whole vocabulary has this format"
        self.plain().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        self.save_heads(folder)

    def plain(self) -> PreTrainedModel:
        """Return the model as transformers loads it from the folder of `save`: by default, the encoder."""
        return self.encoder

    @abstractmethod
    def save_heads(self, folder: Path) -> None:
        """Write into `folder` the heads that the encoder's own format does not include."""


def save_weights(weights: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors on any device to a safetensors file."""
    save_file({name: weight.detach().cpu().contiguous() for name, weight in weights.items()}, file)


def load_head(
    head: nn.Module, folder: str, file: str, *, saved: Mapping[str, Tensor] | None = None, required: bool = False
) -> bool:
    """Load the head saved as `file` in the encoder's `folder`, if there is one; return whether there is.

    A head without weights (on the meta device) stays so: the file is only checked.

    Args:
        head: module that receives the weights.
        folder: folder of the encoder, or its hub id.
        file: file name of the head.
        saved: weights of the head that are stored in the file; all of them by default, without those tied to the
            encoder.
        required: whether the model has been trained with this head, so that the file must exist.

    Raises:
        InputError: if the file does not match the head or the encoder, is damaged or incomplete, has values that are
            not finite, or is missing although it is required.
    """
    path = find_file(folder, file)
    if path is None:
        if required:
            raise InputError(
                f"{folder}: {file} is missing, although the model was trained with this head; copy the model's folder "
                "as a whole (only fine-tuning can begin with a new head, by --reinit_head true)"
            )
        return False
    weights = dict(read_weights(path))
    own = head.state_dict() if saved is None else saved
    unexpected = sorted(name for name in weights if name not in own or weights[name].shape != own[name].shape)
    if unexpected:
        raise InputError(
            f"{path}: not a head of this encoder: unexpected weights or shapes of {', '.join(unexpected)}; give a "
            "model whose head was saved with its encoder"
        )
    missing = sorted(own.keys() - weights.keys())
    if missing:
        raise InputError(f"{path}: incomplete head: missing {', '.join(missing)}; copy or download it again")
    for name, weight in weights.items():
        check_finite(name, weight, path)
    if not any(parameter.is_meta for parameter in head.parameters()):
        head.load_state_dict(weights, strict=False)
    return True


def freeze_unused(model: TrainedModel[InputsT], batch: InputsT) -> list[str]:
    """Freeze the parameters that no objective uses (a pooler, the heads of disabled objectives).

    DDP waits for the gradient of every parameter that is not frozen. Unused parameters are detected by one backward
    pass, which works for any architecture.

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
