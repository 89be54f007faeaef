"""Collation of encoded sentences into the tensors of a micro-batch.

Shapes: B inputs, L tokens in the longest input.
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

    labels: Tensor  # [B, L] label number at the first sub-word of each predicted word, -100 elsewhere


def collate(rows: Sequence[Row], *, pad_id: int) -> TagBatch:
    """Return a batch of `rows` with the columns of `TRAINING_SCHEMA`, padded to the longest input.

    Token types are omitted: all tokens of a single sentence have the first type, which is the default of encoders.
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
