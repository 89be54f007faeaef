"""Head for NER: from states to logits of labels."""

import torch
from torch import Tensor, nn

from clism_core.model.precision import at_least_fp32

INITIAL_STD = 0.02


class Tagger(nn.Module):
    """Dropout and a linear layer with small initial weights, like the heads of BERT."""

    def __init__(self, hidden_size: int, labels: int, *, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size, labels)
        nn.init.normal_(self.linear.weight, std=INITIAL_STD)
        nn.init.zeros_(self.linear.bias)

    def forward(self, h: Tensor) -> Tensor:
        """Return logits [..., labels], in at least fp32, for states [..., D]."""
        with torch.autocast(h.device.type, enabled=False):
            logits: Tensor = self.linear(self.dropout(at_least_fp32(h)))
        return logits
