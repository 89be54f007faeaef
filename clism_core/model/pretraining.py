"""The model that is pre-trained: one encoder, its two heads, and the objectives over them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import cached_file

from clism_core.data.batches import Batch
from clism_core.errors import InputError
from clism_core.model.encoder import LoadedEncoder, embedding_weight, encode
from clism_core.model.span_head import SpanHead
from clism_core.objectives.base import ContrastiveObjective, Objective, Result, States

SPAN_HEAD_FILE, MLM_HEAD_FILE = "span_head.safetensors", "mlm_head.safetensors"


class PretrainingModel(nn.Module):
    """Encoder, span head and MLM head; the objectives to train with are set by `use`."""

    def __init__(self, loaded: LoadedEncoder, *, seed: int):
        super().__init__()
        self.encoder: PreTrainedModel = loaded.encoder
        self.mlm_head = loaded.mlm_head
        self.tokenizer: PreTrainedTokenizerBase = loaded.tokenizer
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.span_head = SpanHead(self.hidden_size)
        self.objectives = nn.ModuleDict()
        self._load_heads(loaded.folder)

    @property
    def hidden_size(self) -> int:
        """Width D of the encoder's states."""
        return embedding_weight(self.encoder).shape[1]

    def use(self, objectives: Mapping[str, Objective | ContrastiveObjective]) -> None:
        """Train with these objectives."""
        self.objectives = nn.ModuleDict(dict(objectives))

    def contrastive(self) -> dict[str, ContrastiveObjective]:
        """Return the objectives that compare the inputs of the global batch."""
        return {n: module for n, module in self.objectives.items() if isinstance(module, ContrastiveObjective)}

    def forward(self, batch: Batch) -> dict[str, Result | Tensor]:
        """Return each objective's loss sum, or its vectors where it needs the global batch, by its name."""
        states = self._states(batch, plain=bool(self.contrastive()))
        return {name: objective(states, batch) for name, objective in self.objectives.items()}

    def count(self, name: str, batch: Batch) -> int:
        """Return how many items of `batch` an objective has; inputs, for a contrastive one."""
        objective = self.objectives[name]
        if isinstance(objective, Objective):
            return objective.count(batch)
        return len(batch.input_ids)

    def results(self, batch: Batch) -> dict[str, Result]:
        """Return the loss sums of the objectives that need no global batch alone."""
        states = self._states(batch, plain=False)
        return {n: module(states, batch) for n, module in self.objectives.items() if isinstance(module, Objective)}

    def contrastive_vectors(self, batch: Batch) -> dict[str, Tensor]:
        """Return the vectors of the contrastive objectives alone."""
        states = self._states(batch, plain=True)
        return {name: objective(states, batch) for name, objective in self.contrastive().items()}

    def _states(self, batch: Batch, *, plain: bool) -> States:
        """Encode X, and then the plain source if it is wanted: always in this order, for dropout."""
        states = States(encode(self.encoder, batch.input_ids, batch.attention_mask, batch.token_type_ids))
        if plain:
            inputs = (batch.plain_ids, batch.plain_attention_mask, batch.plain_token_type_ids)
            states.plain_BSD = encode(self.encoder, *inputs)
        return states

    def save(self, folder: Path) -> None:
        """Write the encoder and the tokenizer as a Hugging Face folder, with the two heads beside them."""
        self.encoder.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        save_file(_contiguous(self.span_head.state_dict()), folder / SPAN_HEAD_FILE)
        save_file(_contiguous(self._own_mlm_weights()), folder / MLM_HEAD_FILE)

    def _own_mlm_weights(self) -> dict[str, Tensor]:
        """Return the MLM head's weights without the tied embeddings, each once."""
        seen = {embedding_weight(self.encoder).data_ptr()}
        own = {}
        for name, weight in self.mlm_head.state_dict().items():
            if weight.data_ptr() not in seen:
                seen.add(weight.data_ptr())
                own[name] = weight
        return own

    def _load_heads(self, folder: str) -> None:
        """Load the heads that were saved beside the encoder, where it is one of ours."""
        for head, file in ((self.span_head, SPAN_HEAD_FILE), (self.mlm_head, MLM_HEAD_FILE)):
            found = cached_file(folder, file, _raise_exceptions_for_missing_entries=False)
            if found is not None:
                unexpected = head.load_state_dict(load_file(found), strict=False).unexpected_keys
                if unexpected:
                    raise InputError(f"{found}: not a head of this encoder: it holds {', '.join(unexpected)}")


def _contiguous(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}


def freeze_unused(model: PretrainingModel, batch: Batch) -> list[str]:
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
