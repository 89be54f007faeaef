"""CLISM: prediction of the span that translates a masked span (Eq. 1-4)."""

import torch
from torch import Tensor
from torch.nn import functional

from clism_core.model.objective import Metric, Objective, Result, States
from clism_core.model.span_head import SpanHead, best_spans
from clism_core.pretraining.batches import Batch


class CLISM(Objective[Batch]):
    """Cross-lingual informative span masking; its items are the questions."""

    name = "clism"
    label, colour = "CLISM", "tab:blue"
    metrics = (
        Metric("span_exact_match", evaluation_name="span_exact_match", label="span exact match", colour="tab:blue"),
    )
    new_heads = ("span_head",)

    def __init__(self, span_head: SpanHead):
        super().__init__()
        self.span_head = span_head

    def count(self, batch: Batch) -> int:
        """Return the number of questions."""
        return int(batch.question_mask.sum())

    def forward(self, states: States, batch: Batch) -> Result:
        """Return the summed cross-entropies of first and last token, and the number of exact spans."""
        logits = self.span_head(states.h_BLD, batch.question_position, batch.attention_mask)
        asked = batch.question_mask
        loss_sum = sum(
            functional.cross_entropy(scores[asked], gold[asked], reduction="sum")
            for scores, gold in ((logits.start_BKL, batch.answer_start), (logits.end_BKL, batch.answer_end))
        )
        assert isinstance(loss_sum, Tensor)
        with torch.no_grad():
            start, end = best_spans(logits)
            exact = (start == batch.answer_start) & (end == batch.answer_end) & asked
        return Result(loss_sum, {"span_exact_match": exact.sum()})
