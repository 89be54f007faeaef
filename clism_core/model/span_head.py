"""Span head: predicts the answer span of each `[QUE]` (Eq. 1-3)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from clism_core.model.precision import at_least_fp32

SPAN_HEAD_FILE = "span_head.safetensors"
"""File name of a span head's weights in the folder of its encoder."""


class SpanLogits(NamedTuple):
    """Logits of the answer's first and last token, [B, K, L] in fp32; padding has -inf."""

    start_BKL: Tensor
    end_BKL: Tensor


class SpanHead(nn.Module):
    """Matrices `W_s` and `W_e`: the logit of token k for a `[QUE]` at position q is `h_k . (W h_q)`.

    They are initialised with small values, which give logits of about 1 for states of norm sqrt(D), so that the softmax
    is soft at first.
    """

    def __init__(self, hidden_size: int):
        super().__init__()
        self.start = nn.Linear(hidden_size, hidden_size, bias=False)
        self.end = nn.Linear(hidden_size, hidden_size, bias=False)
        for linear in (self.start, self.end):
            nn.init.normal_(linear.weight, std=1.0 / hidden_size)

    def forward(self, h_BLD: Tensor, question_position_BK: Tensor, attention_mask_BL: Tensor) -> SpanLogits:
        """Score every token of X as the first and as the last token of each question's answer."""
        with torch.autocast(h_BLD.device.type, enabled=False):
            h_BLD = at_least_fp32(h_BLD)
            que_BKD = h_BLD.gather(1, question_position_BK.unsqueeze(-1).expand(-1, -1, h_BLD.shape[-1]))
            padding_B1L = (attention_mask_BL == 0).unsqueeze(1)
            start, end = (
                torch.einsum("bkd,bld->bkl", linear(que_BKD), h_BLD).masked_fill(padding_B1L, float("-inf"))
                for linear in (self.start, self.end)
            )
        return SpanLogits(start, end)


def best_spans(logits: SpanLogits) -> tuple[Tensor, Tensor]:
    """Return the first and last token [B, K] of the span with the highest sum of logits, with first <= last."""
    best_start = logits.start_BKL.cummax(dim=-1)  # for each last token, the best first token up to it
    end_BK = (best_start.values + logits.end_BKL).argmax(dim=-1)
    start_BK = best_start.indices.gather(-1, end_BK.unsqueeze(-1)).squeeze(-1)
    return start_BK, end_BK
