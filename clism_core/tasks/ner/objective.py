"""Objective of NER: predict the label of each word from the state of its first sub-word."""

import torch
from torch import nn
from torch.nn import functional

from clism_core.model.objective import Metric, Objective, Result, States
from clism_core.tasks.ner.batches import TagBatch
from clism_core.tasks.ner.labels import IGNORED


class Tagging(Objective[TagBatch]):
    """Token classification; the items are the words.

    Args:
        tagger: returns logits [..., labels], given states [..., D].
    """

    name, label = "tagging", "NER"
    metrics = (Metric("accuracy"),)
    new_heads = ("tagger",)

    def __init__(self, tagger: nn.Module):
        super().__init__()
        self.tagger = tagger

    def count(self, batch: TagBatch) -> int:
        """Return the number of predicted words."""
        return int((batch.labels != IGNORED).sum())

    def forward(self, states: States, batch: TagBatch) -> Result:
        """Return the summed cross-entropies of the words' labels and the number of correctly labelled words."""
        labelled = batch.labels != IGNORED
        logits, gold = self.tagger(states.h_BLD[labelled]), batch.labels[labelled]
        with torch.no_grad():
            correct = (logits.argmax(dim=-1) == gold).sum()
        return Result(functional.cross_entropy(logits, gold, reduction="sum"), {"accuracy": correct})
