"""Comparing the weights of two trainings that should have done the same."""

import torch
from torch import Tensor


def assert_same_training(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """That two trainings came to the same weights, but for rounding.

    The biases of the attention's keys are left out: they add the same to all scores of a query, softmax does not see
    that, so their gradient is nothing but rounding noise, which Adam scales up to whole steps.
    """
    torch.testing.assert_close(_without_key_biases(found), _without_key_biases(expected), rtol=1e-3, atol=2e-5)


def _without_key_biases(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight for name, weight in weights.items() if not name.endswith("key.bias")}
