"""CACR: contrastive consistency of the masked source, the source and the translation of a sentence (Eq. 6-8)."""

import torch
from torch import Tensor
from torch.nn import functional

from clism_core.model.encoder import mean_pool
from clism_core.model.objective import ContrastiveObjective, Metric, Result, States
from clism_core.pretraining.batches import PLAIN_SOURCE, Batch


class CACR(ContrastiveObjective[Batch]):
    """Contrastive consistency; its items are the inputs of the global batch.

    Args:
        temperature: divisor of the cosines.
    """

    name = "cacr"
    label, colour = "CACR", "tab:orange"
    metrics = (Metric("retrieval_accuracy"),)
    needs = frozenset({PLAIN_SOURCE})

    def __init__(self, temperature: float):
        super().__init__()
        self.temperature = temperature

    def forward(self, states: States, batch: Batch) -> Tensor:
        """Return the mean states [B, 3, D] of the masked source and the translation in X, and of the plain source."""
        return torch.stack(
            [
                mean_pool(states.h_BLD, batch.source_mask),
                mean_pool(states.h_BLD, batch.target_mask),
                mean_pool(states.others[PLAIN_SOURCE], batch.plain_mask),
            ],
            dim=1,
        )

    def loss(self, vectors_NVD: Tensor, keys_N2: Tensor) -> Result:
        """Return the sum over the global batch of `L(r_t, r^_s) + L(r_s, r^_s) + L(r_t, r_s)`.

        Inputs with an equal source or target (`keys_N2`) are not negatives of each other.
        """
        masked, target, plain = functional.normalize(vectors_NVD, dim=-1).unbind(dim=1)
        same_NN = (keys_N2.unsqueeze(0) == keys_N2.unsqueeze(1)).any(dim=-1)
        same_NN.fill_diagonal_(False)
        own = torch.arange(len(masked), device=masked.device)
        loss_sum = vectors_NVD.new_zeros(())
        for anchor, other in ((target, masked), (plain, masked), (target, plain)):
            scores_NN = (anchor @ other.T / self.temperature).masked_fill(same_NN, float("-inf"))
            loss_sum = loss_sum + functional.cross_entropy(scores_NN, own, reduction="sum")
        with torch.no_grad():
            retrieved = ((target @ plain.T).masked_fill(same_NN, -2.0).argmax(dim=-1) == own).sum()
        return Result(loss_sum, {"retrieval_accuracy": retrieved})
