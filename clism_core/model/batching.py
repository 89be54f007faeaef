"""Batches of inputs of similar length, and their padding.

Shapes: B inputs, L tokens of the longest of them.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def batches_by_length(lengths: Sequence[int], batch_size: int, *, max_padding: float = 1.0) -> list[list[int]]:
    """Return the positions of `lengths` in batches of similar length, the longest inputs first.

    Args:
        lengths: Tokens of each input.
        batch_size: Maximum number of inputs in a batch.
        max_padding: Maximum share of padding in an input, 0 to 1; a batch ends before an input that would exceed it.
    """
    batches: list[list[int]] = []
    longest = 0
    for position in sorted(range(len(lengths)), key=lambda position: lengths[position], reverse=True):
        length = lengths[position]
        if not batches or len(batches[-1]) == batch_size or longest - length > max_padding * longest:
            batches.append([])
            longest = length
        batches[-1].append(position)
    return batches


def pad(rows: Iterable[Sequence[int]], value: int) -> Tensor:
    """Return rows of integers as a tensor [B, L], each followed by as many `value`s as the longest row requires."""
    tensors = [torch.as_tensor(row, dtype=torch.long) for row in rows]
    return pad_sequence(tensors, batch_first=True, padding_value=value)


def attention_mask(rows: Iterable[Sequence[int]]) -> Tensor:
    """Return a tensor [B, L] with 1 for each element of `rows` and 0 for padding."""
    return pad([[1] * len(row) for row in rows], 0)
