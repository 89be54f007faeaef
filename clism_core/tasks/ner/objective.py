"""Tagging: the label of each word, read off the state of its first sub-word."""

import torch
from torch import nn
from torch.nn import functional

from clism_core.model.objective import Metric, Objective, Result, States
from clism_core.tasks.ner.batches import TagBatch
from clism_core.tasks.ner.labels import IGNORED


class Tagging(Objective[TagBatch]):
    """Token classification; its items are the words.

    Args:
        tagger: gives the logits [..., labels] of states [..., D].
    """

    name, label = "tagging", "NER"
    metrics = (Metric("accuracy"),)
    new_heads = ("tagger",)

    def __init__(self, tagger: nn.Module):
        super().__init__()
        self.tagger = tagger

    def count(self, batch: TagBatch) -> int:
        """Return the number of words that are predicted."""
        return int((batch.labels != IGNORED).sum())

    def forward(self, states: States, batch: TagBatch) -> Result:
        """Return the summed cross-entropies of the words' labels, and how many words were labelled right."""
        labelled = batch.labels != IGNORED
        logits, gold = self.tagger(states.h_BLD[labelled]), batch.labels[labelled]
        with torch.no_grad():
            right = (logits.argmax(dim=-1) == gold).sum()
        return Result(functional.cross_entropy(logits, gold, reduction="sum"), {"accuracy": right})
