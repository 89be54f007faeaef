"""MLM: prediction of the masked tokens of X."""

import torch
from torch import nn
from torch.nn import functional

from clism_core.model.objective import Metric, Objective, Result, States
from clism_core.model.precision import at_least_fp32
from clism_core.model.trained_vocabulary import TrainedVocabulary
from clism_core.pretraining.batches import MASKED_TOKENS, Batch


class MLM(Objective[Batch]):
    """Masked language modelling; its items are the masked tokens, the only ones with vocabulary logits.

    Args:
        head: maps states to the logits of all trained tokens.
        vocabulary: rows of the tokens among these logits.
    """

    name = "mlm"
    label, colour = "MLM", "tab:green"
    metrics = (Metric("accuracy"),)
    needs = frozenset({MASKED_TOKENS})

    def __init__(self, head: nn.Module, vocabulary: TrainedVocabulary):
        super().__init__()
        self.head = head
        self.vocabulary = vocabulary

    def count(self, batch: Batch) -> int:
        """Return the number of masked tokens."""
        return len(batch.mlm_label)

    def forward(self, states: States, batch: Batch) -> Result:
        """Return the summed cross-entropy and the number of correctly predicted tokens."""
        logits_MV = at_least_fp32(self.head(states.h_BLD[batch.mlm_row, batch.mlm_position]))
        labels_M = self.vocabulary(batch.mlm_label)
        loss_sum = functional.cross_entropy(logits_MV, labels_M, reduction="sum")
        with torch.no_grad():
            correct = (logits_MV.argmax(dim=-1) == labels_M).sum()
        return Result(loss_sum, {"accuracy": correct})
