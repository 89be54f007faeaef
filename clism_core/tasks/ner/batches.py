"""Encoded sentences to the tensors of a micro-batch.

Shapes: B inputs, L tokens of the longest of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from clism_core.model.batching import attention_mask, pad
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
    texts = [row["input_ids"] for row in rows]
    attended = attention_mask(texts)
    return TagBatch(
        input_ids=pad(texts, pad_id),
        attention_mask=attended,
        token_type_ids=None,
        n_tokens=int(attended.sum()),
        labels=pad([row["labels"] for row in rows], IGNORED),
    )
