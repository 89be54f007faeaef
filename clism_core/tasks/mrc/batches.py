"""Collation of windows into the tensors of a micro-batch.

Shapes: B inputs, L tokens in the longest input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from clism_core.model.batching import attention_mask, pad
from clism_core.model.inputs import ModelInputs
from clism_core.model.tokenizer import find_template, special_id
from clism_core.training.data.indexed_rows import Row


@dataclass(kw_only=True)
class QuestionBatch(ModelInputs):
    """A micro-batch of questions, each with a window of its passage."""

    passage_mask: Tensor  # [B, L] true at the tokens of the passage
    question_position: Tensor  # [B, 1] position of [QUE], 0 without one
    answer_start: Tensor | None = None  # [B] first token of the answer, if it is known
    answer_end: Tensor | None = None  # [B] last token of the answer, if it is known


class InputFormat(NamedTuple):
    """Padding and token types that the encoder of a tokenizer expects."""

    pad_id: int
    type_ids: tuple[int, int] | None
    """Token types of the question and of the passage; None if the encoder does not use token types."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Self:
        """Return the input format of `tokenizer`."""
        types = find_template(tokenizer, pair=True).type_ids
        return cls(special_id(tokenizer, "pad"), None if types is None else (types[0], types[1]))


def collate(rows: Sequence[Row], input_format: InputFormat) -> QuestionBatch:
    """Return a batch, padded to its longest input.

    Args:
        rows: windows with the columns of `TRAINING_SCHEMA`, all with answers or all without (`Window.row`).
        input_format: format of the tokenizer that encoded them.
    """
    texts = [row["input_ids"] for row in rows]
    attended = attention_mask(texts)
    places_1L = torch.arange(attended.shape[1]).unsqueeze(0)
    starts_B1, stops_B1 = (torch.tensor([[row[name]] for row in rows]) for name in ("passage_start", "passage_stop"))
    types = None
    if input_format.type_ids is not None:
        question_type, passage_type = input_format.type_ids
        types = torch.where(places_1L < starts_B1, question_type, passage_type) * attended
    answered = "answer_start" in rows[0]
    return QuestionBatch(
        input_ids=pad(texts, input_format.pad_id),
        attention_mask=attended,
        token_type_ids=types,
        passage_mask=(places_1L >= starts_B1) & (places_1L < stops_B1),
        question_position=torch.tensor([[row["que_position"]] for row in rows]),
        answer_start=torch.tensor([row["answer_start"] for row in rows]) if answered else None,
        answer_end=torch.tensor([row["answer_end"] for row in rows]) if answered else None,
        n_tokens=int(attended.sum()),
    )
