"""Pre-training as others would write it with torch and transformers, to compare the training step with.

All three losses are computed on the inputs of `BatchBuilder`, with the modules of a `PretrainingModel`; the code below
uses neither its objectives nor the training engine. Each loss is a mean over its items in the global batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from clism_core.model.precision import Precision
from clism_core.pretraining.batches import Batch
from clism_core.pretraining.model import PretrainingModel

IGNORED = -100
"""Label of tokens that are not predicted, as in transformers."""


@dataclass(frozen=True)
class Items:
    """Numbers of items of a global batch, over which the losses are averaged."""

    inputs: int
    questions: int
    masked: int

    @classmethod
    def of(cls, batches: Sequence[Batch]) -> "Items":
        """Count the items of the micro-batches of a global batch."""
        return cls(
            inputs=sum(len(batch.input_ids) for batch in batches),
            questions=sum(int(batch.question_mask.sum()) for batch in batches),
            masked=sum(len(batch.mlm_label) for batch in batches),
        )


Loss: TypeAlias = Callable[[PretrainingModel, Batch, Items], Tensor]
"""Loss of a micro-batch, as its part of the loss of the global batch, which has the given numbers of items."""


@dataclass(frozen=True)
class PlainLoop:
    """Training step with accumulated gradients: zero, forward, backward, clip, update."""

    model: PretrainingModel
    optimizer: Optimizer
    precision: Precision
    loss: Loss

    def __call__(self, batches: Sequence[Batch]) -> float:
        """Train on the micro-batches of a global batch; return its loss."""
        items, total = Items.of(batches), 0.0
        self.optimizer.zero_grad()
        for batch in batches:
            with self.precision.autocast():
                loss = self.loss(self.model, batch, items)
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return total


def three_passes(length: int) -> Loss:
    """Return the loss of a loop like the paper's description: one encoder pass for each of X without masks (CLISM,
    CACR), X with masks (MLM) and the plain source, all padded to the maximum length of X or of a sentence."""

    def loss(model: PretrainingModel, batch: Batch, items: Items) -> Tensor:
        batch = pad_to(batch, length)
        unmasked = batch.input_ids.clone()
        unmasked[batch.mlm_row, batch.mlm_position] = batch.mlm_label
        states = encoder_states(model, unmasked, batch.attention_mask, batch.token_type_ids)
        masked_states = encoder_states(model, batch.input_ids, batch.attention_mask, batch.token_type_ids)
        return (
            clism(model, states, batch) / max(items.questions, 1)
            + cacr(model, states, batch) / items.inputs
            + mlm_everywhere(model, masked_states, batch) / max(items.masked, 1)
        )

    return loss


def two_passes(model: PretrainingModel, batch: Batch, items: Items) -> Tensor:
    """Return the loss of a good loop: one masked X for all losses, and the plain source, padded to the longest of the
    micro-batch; logits at all positions."""
    states = encoder_states(model, batch.input_ids, batch.attention_mask, batch.token_type_ids)
    return _clism_and_cacr(model, states, batch, items) + mlm_everywhere(model, states, batch) / max(items.masked, 1)


def masked_only(model: PretrainingModel, batch: Batch, items: Items) -> Tensor:
    """Return the loss of the best loop: as `two_passes`, with logits at the masked positions only."""
    states = encoder_states(model, batch.input_ids, batch.attention_mask, batch.token_type_ids)
    logits = model.mlm_head(states[batch.mlm_row, batch.mlm_position]).float()
    mlm = functional.cross_entropy(logits, batch.mlm_label, reduction="sum")
    return _clism_and_cacr(model, states, batch, items) + mlm / max(items.masked, 1)


def _clism_and_cacr(model: PretrainingModel, states: Tensor, batch: Batch, items: Items) -> Tensor:
    return clism(model, states, batch) / max(items.questions, 1) + cacr(model, states, batch) / items.inputs


def encoder_states(model: PretrainingModel, ids: Tensor, mask: Tensor, types: Tensor | None) -> Tensor:
    """Return the last hidden states."""
    typed = {} if types is None else {"token_type_ids": types}
    states: Tensor = model.encoder(input_ids=ids, attention_mask=mask, **typed).last_hidden_state
    return states


def clism(model: PretrainingModel, states: Tensor, batch: Batch) -> Tensor:
    """Return the summed cross-entropies of first and last token of the answers."""
    rows, questions = batch.question_mask.nonzero(as_tuple=True)
    states = states.float()
    que = states[rows, batch.question_position[rows, questions]]
    total = states.new_zeros(())
    with torch.autocast(states.device.type, enabled=False):
        for matrix, gold in ((model.span_head.start, batch.answer_start), (model.span_head.end, batch.answer_end)):
            scores = (states[rows] @ matrix(que).unsqueeze(-1)).squeeze(-1)
            scores = scores.masked_fill(batch.attention_mask[rows] == 0, float("-inf"))
            total = total + functional.cross_entropy(scores, gold[rows, questions], reduction="sum")
    return total


def cacr(model: PretrainingModel, states: Tensor, batch: Batch, *, temperature: float = 0.05) -> Tensor:
    """Return the summed contrastive losses over the micro-batch, whose sentences differ."""
    plain_states = encoder_states(model, batch.plain_ids, batch.plain_attention_mask, batch.plain_token_type_ids)
    total = states.new_zeros((), dtype=torch.float32)
    with torch.autocast(states.device.type, enabled=False):
        masked, target, plain = (
            functional.normalize((h.float() * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True), dim=-1)
            for h, mask in (
                (states, batch.source_mask),
                (states, batch.target_mask),
                (plain_states, batch.plain_mask),
            )
        )
        own = torch.arange(len(masked), device=masked.device)
        for anchor, other in ((target, masked), (plain, masked), (target, plain)):
            total = total + functional.cross_entropy(anchor @ other.T / temperature, own, reduction="sum")
    return total


def mlm_everywhere(model: PretrainingModel, states: Tensor, batch: Batch) -> Tensor:
    """Return the summed cross-entropy of the masked tokens, from logits at all positions."""
    labels = torch.full_like(batch.input_ids, IGNORED)
    labels[batch.mlm_row, batch.mlm_position] = batch.mlm_label
    logits = model.mlm_head(states).float()
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")


def pad_to(batch: Batch, length: int) -> Batch:
    """Return a batch padded to `length` tokens for X, and half of that for the plain source."""

    def padded(rows: Tensor, to: int) -> Tensor:
        return functional.pad(rows, (0, to - rows.shape[1]))  # of ids too: what they are does not matter

    sizes = {"input_ids": length, "attention_mask": length, "source_mask": length, "target_mask": length}
    sizes |= {"plain_ids": length // 2, "plain_attention_mask": length // 2, "plain_mask": length // 2}
    if batch.token_type_ids is not None:
        sizes |= {"token_type_ids": length, "plain_token_type_ids": length // 2}
    longer: dict[str, Any] = {name: padded(getattr(batch, name), size) for name, size in sizes.items()}
    return replace(batch, **longer)
