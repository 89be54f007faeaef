"""Where does the answer begin and end? (Eq. 1-4, with the question's `[QUE]`)"""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from clism_core.model.objective import Metric, Objective, Result, States
from clism_core.model.span_head import SpanLogits, best_spans
from clism_core.tasks.mrc.batches import QuestionBatch


class SpanExtraction(Objective[QuestionBatch]):
    """The cross-entropies of the answer's first and last token; its items are the inputs.

    Args:
        span_head: gives `SpanLogits` of states, `[QUE]`'s position and the attention mask.
        softmax: over the tokens of the passage, or of all of the input.
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
        """Return the summed cross-entropies, and how many answers have the highest logits of the passage's spans."""
        assert batch.answer_start is not None
        assert batch.answer_end is not None
        logits = self.span_head(states.h_BLD, batch.question_position, batch.attention_mask)
        of_passage = within_passage(logits, batch)
        scores = of_passage if self.softmax == "passage" else logits
        loss_sum = functional.cross_entropy(scores.start_BKL.squeeze(1), batch.answer_start, reduction="sum")
        loss_sum = loss_sum + functional.cross_entropy(scores.end_BKL.squeeze(1), batch.answer_end, reduction="sum")
        with torch.no_grad():
            start_B1, end_B1 = best_spans(of_passage)
            exact = (start_B1.squeeze(1) == batch.answer_start) & (end_B1.squeeze(1) == batch.answer_end)
        return Result(loss_sum, {"exact_match": exact.sum()})


def within_passage(logits: SpanLogits, batch: QuestionBatch) -> SpanLogits:
    """Return the logits with -inf at every token that is not of the passage."""
    elsewhere_B1L = ~batch.passage_mask.unsqueeze(1)
    return SpanLogits(*(scores.masked_fill(elsewhere_B1L, float("-inf")) for scores in logits))
