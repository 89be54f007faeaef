import pytest
import torch

from clism_core.tasks.mrc.batches import InputFormat, collate

ROWS = [
    {"input_ids": [0, 7, 9, 2, 5, 6, 2], "passage_start": 4, "passage_stop": 6, "que_position": 2},
    {"input_ids": [0, 9, 2, 5, 2], "passage_start": 3, "passage_stop": 4, "que_position": 1},
]
ANSWERS = [{"answer_start": 4, "answer_end": 5}, {"answer_start": 3, "answer_end": 3}]


def test_inputs_are_padded_and_masked() -> None:
    batch = collate(ROWS, InputFormat(pad_id=1, type_ids=None))
    assert batch.input_ids.tolist() == [[0, 7, 9, 2, 5, 6, 2], [0, 9, 2, 5, 2, 1, 1]]
    assert batch.attention_mask.tolist() == [[1] * 7, [1, 1, 1, 1, 1, 0, 0]]
    assert batch.passage_mask.int().tolist() == [[0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 0]]
    assert batch.question_position.tolist() == [[2], [1]]
    assert batch.token_type_ids is None
    assert batch.n_tokens == 12
    assert batch.answer_start is None
    assert batch.answer_end is None


def test_token_types_change_at_the_passage() -> None:
    types = collate(ROWS, InputFormat(pad_id=1, type_ids=(0, 1))).token_type_ids
    assert types is not None
    assert types.tolist() == [[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0]]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_batch_moves_to_a_device_with_its_answers(device: str) -> None:
    batch = collate([row | answer for row, answer in zip(ROWS, ANSWERS, strict=True)], InputFormat(1, None))
    assert batch.answer_start is not None
    assert batch.answer_end is not None
    assert (batch.answer_start.tolist(), batch.answer_end.tolist()) == ([4, 3], [5, 3])
    moved = batch.to(torch.device(device))
    assert moved.answer_start is not None
    assert moved.answer_start.device.type == device
