import numpy as np
import pytest
import torch

from clism_core.model.batching import attention_mask, batches_by_length, pad


@pytest.mark.parametrize(
    ("lengths", "max_padding", "expected"),
    [
        pytest.param([], 0.2, [], id="none"),
        pytest.param([9, 10, 10], 0.2, [[1, 2], [0]], id="full"),
        pytest.param([79, 100, 80], 0.2, [[1, 2], [0]], id="a fifth of padding at most"),
        pytest.param([10, 100, 9, 90], 0.2, [[1, 3], [0, 2]], id="short ones by themselves"),
        pytest.param([5, 1, 100], 1.0, [[2, 0], [1]], id="any padding"),
        pytest.param([0, 0, 3], 1.0, [[2, 0], [1]], id="empty inputs"),
        pytest.param([4, 5, 5], 0.0, [[1, 2], [0]], id="no padding"),
    ],
)
def test_batches_hold_inputs_of_similar_length(
    lengths: list[int], max_padding: float, expected: list[list[int]]
) -> None:
    assert batches_by_length(lengths, 2, max_padding=max_padding) == expected


def test_rows_are_padded_at_the_right() -> None:
    padded = pad([[5], np.array([7, 8, 9], dtype=np.int32).tolist(), []], 1)
    assert padded.tolist() == [[5, 1, 1], [7, 8, 9], [1, 1, 1]]
    assert padded.dtype == torch.long
    assert attention_mask([[5], [7, 8, 9], []]).tolist() == [[1, 0, 0], [1, 1, 1], [0, 0, 0]]
