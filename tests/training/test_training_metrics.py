import torch

from clism_core.model.inputs import ModelInputs
from clism_core.model.objective import Result
from clism_core.model.precision import Update
from clism_core.training.metrics import Meter
from clism_core.training.step import StepSums


def batch(tokens: int, **counters: int) -> ModelInputs:
    ids = torch.zeros(1, 4, dtype=torch.long)
    return ModelInputs(input_ids=ids, attention_mask=ids, token_type_ids=None, n_tokens=tokens, counters=counters)


def losses(loss_sum: float, count: float) -> StepSums:
    sums = StepSums()
    sums.add_counts({"clism": count})
    sums.add("clism", Result(torch.tensor(loss_sum), {}))
    return sums


def test_padding_and_counters_are_summed_over_the_batches_between_two_readings() -> None:
    meter = Meter(total_steps=9, first_step=0, device=torch.device("cpu"))
    first = [batch(4, dropped=2), batch(1, dropped=0)]
    meter.add(first, StepSums(), update=Update(1.0, "taken"), learning_rate=0.1)
    second = [batch(4, dropped=3), batch(3, dropped=0)]
    meter.add(second, StepSums(), update=Update(3.0, "taken"), learning_rate=0.2)
    metrics = meter.read({})
    assert (metrics["dropped"], metrics["padding_share"]) == (5, 1 - 12 / 16)
    assert (metrics["gradient_norm"], metrics["learning_rate"]) == (2.0, 0.2)
    meter.add([batch(4, dropped=0)], StepSums(), update=Update(torch.inf, "overflowed"), learning_rate=0.1)
    metrics = meter.read({})
    assert (metrics["dropped"], metrics["overflowed_steps"], metrics["skipped_steps"]) == (0, 1, 0)
    assert "gradient_norm" not in metrics


def test_skipped_steps_are_counted_and_leave_no_trace_in_the_losses() -> None:
    meter = Meter(total_steps=9, first_step=0, device=torch.device("cpu"))
    meter.add([batch(4)], losses(6.0, 2.0), update=Update(1.0, "taken"), learning_rate=0.1)
    meter.add([batch(4)], losses(torch.nan, 2.0), update=Update(torch.nan, "skipped"), learning_rate=0.1)
    meter.add([batch(4)], losses(9.0, 3.0), update=Update(5.0, "taken"), learning_rate=0.1)
    metrics = meter.read({"clism": 2.0})
    assert (metrics["clism_loss"], metrics["loss"], metrics["gradient_norm"]) == (3.0, 6.0, 3.0)
    assert metrics["skipped_steps"] == 1
    meter.add([batch(4)], losses(torch.nan, 2.0), update=Update(torch.nan, "skipped"), learning_rate=0.1)
    metrics = meter.read({"clism": 2.0})
    assert metrics["skipped_steps"] == 1
    assert not {"loss", "clism_loss", "gradient_norm"} & metrics.keys()
