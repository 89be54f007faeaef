"""Objective of question answering: predict where the answer starts and ends (eq. 1-4, with the question's `[QUE]`)."""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from clism_core.model.objective import Metric, Objective, Result, States
from clism_core.model.span_head import SpanLogits, best_spans
from clism_core.tasks.mrc.batches import QuestionBatch


class SpanExtraction(Objective[QuestionBatch]):
    """Cross-entropies of the answer's first and last token; the items are the inputs.

    Args:
        span_head: returns `SpanLogits`, given the states, the position of `[QUE]` and the attention mask.
        softmax: whether the softmax is over the tokens of the passage or of the whole input.
    """

    name, label = "mrc", "MRC"
    metrics = (Metric("exact_match"),)
    new_heads = ("span_head",)

    def __init__(self, span_head: nn.Module, *, softmax: Literal["passage", "input"]):
        super().__init__()
        self.span_head = span_head
        self.softmax = softmax

    def count(self, batch: QuestionBatch) -> int:
        """Return the number of inputs."""
        return len(batch.input_ids)

    def forward(self, states: States, batch: QuestionBatch) -> Result:
        """Return the summed cross-entropies and the number of exact matches (the best span of the passage is right)."""
        assert batch.answer_start is not None
        assert batch.answer_end is not None
        logits = self.span_head(states.h_BLD, batch.question_position, batch.attention_mask)
        passage_logits = within_passage(logits, batch)
        scores = passage_logits if self.softmax == "passage" else logits
        loss_sum = functional.cross_entropy(scores.start_BKL.squeeze(1), batch.answer_start, reduction="sum")
        loss_sum = loss_sum + functional.cross_entropy(scores.end_BKL.squeeze(1), batch.answer_end, reduction="sum")
        with torch.no_grad():
            start_B1, end_B1 = best_spans(passage_logits)
            exact = (start_B1.squeeze(1) == batch.answer_start) & (end_B1.squeeze(1) == batch.answer_end)
        return Result(loss_sum, {"exact_match": exact.sum()})


def within_passage(logits: SpanLogits, batch: QuestionBatch) -> SpanLogits:
    """Return the logits with -inf at every token outside the passage."""
    outside_B1L = ~batch.passage_mask.unsqueeze(1)
    return SpanLogits(*(scores.masked_fill(outside_B1L, float("-inf")) for scores in logits))
