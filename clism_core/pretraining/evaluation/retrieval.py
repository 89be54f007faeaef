"""Sentence retrieval: search for the translation of a sentence by cosine."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

_COSINES_AT_A_TIME = 1 << 25  # between a group of queries and all candidates: 128 MB


class Retrieval(NamedTuple):
    """Shares of sentences whose nearest neighbour by cosine is their translation, and the mean cosine of others."""

    accuracy: float
    reverse_accuracy: float
    random_cosine: float


def retrieval(source_ND: Tensor, target_ND: Tensor, source_keys_N: Tensor, target_keys_N: Tensor) -> Retrieval:
    """Retrieve targets by sources and sources by targets.

    Args:
        source_ND, target_ND: vectors of sentences and their translations, row by row.
        source_keys_N, target_keys_N: equal for equal texts; a neighbour with the same text as the translation counts
            as correct.

    Returns:
        accuracy source to target and target to source, and the mean cosine between different source sentences (near
        1 if all sentences have collapsed to one vector; 0 for a single sentence).
    """
    source, target = functional.normalize(source_ND, dim=-1), functional.normalize(target_ND, dim=-1)
    forward = target_keys_N[_nearest(source, target)] == target_keys_N
    backward = source_keys_N[_nearest(target, source)] == source_keys_N
    n = len(source)
    total = float(source.sum(dim=0).square().sum())
    random_cosine = (total - n) / (n * (n - 1)) if n > 1 else 0.0
    return Retrieval(float(forward.double().mean()), float(backward.double().mean()), random_cosine)


def nearest(queries_ND: Tensor, candidates_MD: Tensor) -> Tensor:
    """Return the index [N] of the candidate with the highest cosine for each query; the first one of equals."""
    return _nearest(functional.normalize(queries_ND, dim=-1), functional.normalize(candidates_MD, dim=-1))


def _nearest(queries_ND: Tensor, candidates_MD: Tensor) -> Tensor:
    queries = max(1, _COSINES_AT_A_TIME // len(candidates_MD))
    return torch.cat([(part @ candidates_MD.T).argmax(dim=1) for part in queries_ND.split(queries)])
