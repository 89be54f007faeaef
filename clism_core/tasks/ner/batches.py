"""Encoded sentences to the tensors of a micro-batch.

Shapes: B inputs, L tokens of the longest of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clism_core.model.inputs import ModelInputs
from clism_core.tasks.ner.labels import IGNORED
from clism_core.training.data.indexed_rows import Row


@dataclass(kw_only=True)
class TagBatch(ModelInputs):
    """A micro-batch of tagged sentences."""

    labels: Tensor  # [B, L] the label's number at the first sub-word of each predicted word, -100 elsewhere


def collate(rows: Sequence[Row], *, pad_id: int) -> TagBatch:
    """Pad `rows`, of the schema of `windows`, to the longest of them.

    Token types are left out: single sentences are all of the first type, which encoders take for granted.
    """
    shape = (len(rows), max(len(row["input_ids"]) for row in rows))
    input_ids, labels = torch.full(shape, pad_id), torch.full(shape, IGNORED)
    attention_mask = torch.zeros(shape, dtype=torch.long)
    for number, row in enumerate(rows):
        length = len(row["input_ids"])
        input_ids[number, :length] = torch.tensor(row["input_ids"])
        labels[number, :length] = torch.tensor(row["labels"])
        attention_mask[number, :length] = 1
    return TagBatch(
        input_ids=input_ids,
        attention_mask=attention_mask,
        token_type_ids=None,
        n_tokens=int(attention_mask.sum()),
        labels=labels,
    )
