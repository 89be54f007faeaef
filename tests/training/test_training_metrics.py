import torch

from clism_core.model.inputs import ModelInputs
from clism_core.training.metrics import Meter


def batch(tokens: int, **counters: int) -> ModelInputs:
    ids = torch.zeros(1, 4, dtype=torch.long)
    return ModelInputs(input_ids=ids, attention_mask=ids, token_type_ids=None, n_tokens=tokens, counters=counters)


def test_padding_and_counters_are_summed_over_the_batches_between_two_readings() -> None:
    meter = Meter(total_steps=9, first_step=0, device=torch.device("cpu"))
    meter.add([batch(4, dropped=2), batch(1, dropped=0)], gradient_norm=1.0, learning_rate=0.1)
    meter.add([batch(4, dropped=3), batch(3, dropped=0)], gradient_norm=3.0, learning_rate=0.2)
    metrics = meter.read({})
    assert (metrics["dropped"], metrics["padding_share"]) == (5, 1 - 12 / 16)
    assert (metrics["gradient_norm"], metrics["learning_rate"]) == (2.0, 0.2)
    meter.add([batch(4, dropped=0)], gradient_norm=None, learning_rate=0.1)
    metrics = meter.read({})
    assert (metrics["dropped"], metrics["skipped_steps"]) == (0, 1)
    assert "gradient_norm" not in metrics
