"""The hand-written loops compute the losses of the training step; FLOP against sums by hand."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from pretrain_batches import draw_spans, useful_flop
from pretrain_loops import Loss, PlainLoop, masked_only, three_passes, two_passes
from pretrain_throughput import ratio
from test_step import samples
from tiny import write_encoder

from clism_core.model.encoder import embedding_weight, load_encoder
from clism_core.model.precision import Precision
from clism_core.pretraining.batches import Batch, BatchBuilder, MaskingConfig
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.build import ObjectivesConfig, build_objectives
from clism_core.training.step import GradientStep, StepSums

FP32 = Precision("fp32", torch.device("cpu"))


@pytest.fixture
def model(tmp_path: Path) -> PretrainingModel:
    model = PretrainingModel(load_encoder(str(write_encoder("xlmr", tmp_path)), seed=0), seed=0)
    model.use(build_objectives(model, ObjectivesConfig()))
    return model.eval()


@pytest.fixture
def batch(model: PretrainingModel) -> Batch:
    return BatchBuilder(model.tokenizer, MaskingConfig(max_length=64), seed=0)([[entry] for entry in samples()])


@pytest.mark.parametrize(
    "loss", [pytest.param(two_passes, id="two passes"), pytest.param(masked_only, id="masked only")]
)
def test_good_loops_have_the_losses_and_gradients_of_the_training_step(
    loss: Loss, model: PretrainingModel, batch: Batch
) -> None:
    sums = StepSums()
    GradientStep(model, weights=ObjectivesConfig().weights(), precision=FP32, seed=0)(0, [batch], sums)
    means = sums.means()
    trained = {name: p for name, p in model.named_parameters() if p.grad is not None}
    norm = torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
    expected = {name: p.grad.clone() for name, p in trained.items() if p.grad is not None}
    assert float(norm) > 1  # both are clipped
    found = PlainLoop(model, torch.optim.SGD(model.parameters(), lr=0.0), FP32, loss)([batch])
    assert found == pytest.approx(sum(means[f"{name}_loss"] for name in ("clism", "cacr", "mlm")), rel=1e-5)
    torch.testing.assert_close({name: p.grad for name, p in trained.items()}, expected, rtol=1e-3, atol=1e-6)


def test_three_passes_have_the_mlm_loss_and_see_the_whole_x_for_the_others(
    model: PretrainingModel, batch: Batch
) -> None:
    nothing = torch.empty(0, dtype=torch.long)
    sums = StepSums()
    step = GradientStep(model, weights=ObjectivesConfig().weights(), precision=FP32, seed=0)
    step(0, [batch], sums)
    unmasked = batch.input_ids.clone()
    unmasked[batch.mlm_row, batch.mlm_position] = batch.mlm_label
    whole = StepSums()
    step(0, [replace(batch, input_ids=unmasked, mlm_row=nothing, mlm_position=nothing, mlm_label=nothing)], whole)
    expected = sums.means()["mlm_loss"] + whole.means()["clism_loss"] + whole.means()["cacr_loss"]
    loop = PlainLoop(model, torch.optim.SGD(model.parameters(), lr=0.0), FP32, three_passes(64))
    assert loop([batch]) == pytest.approx(expected, rel=1e-5)


def test_useful_flop(model: PretrainingModel) -> None:
    """One pair of 3 and 2 tokens: X has 9 tokens and the plain source 5; the encoder has 2 layers of width 16."""
    ids = torch.ones(1, 9, dtype=torch.long)
    builder = BatchBuilder(model.tokenizer, MaskingConfig(max_length=64, mlm_probability=0.999), seed=0)
    entry = replace(samples()[1], source_ids=[10, 11, 12], target_ids=[20, 21], spans=[])
    made = builder([[entry], [replace(entry, source_ids=[10] * 9)]])  # the second one is longer: the first is padded
    one = replace(made, **{name: value[:1] for name, value in vars(made).items() if name.endswith("mask")})
    one = replace(one, mlm_label=made.mlm_label[:5])
    assert int(one.attention_mask.sum()) == ids.numel()
    assert int(one.plain_attention_mask.sum()) == 5
    layer = 4 * 16 * 16 + 2 * 16 * 32
    encoder = 2 * (2 * layer * (9 + 5) + 4 * 16 * (9**2 + 5**2))
    vocabulary = len(embedding_weight(model.encoder))
    head = 2 * 5 * (16 * 16 + 16 * vocabulary)
    assert useful_flop(model, one) == 3 * (encoder + head)


@pytest.mark.parametrize(("source", "target"), [(0, 3), (1, 1), (2, 2), (7, 5), (40, 60)])
def test_spans_are_inside_their_sentences_without_overlaps(source: int, target: int) -> None:
    for seed in range(20):
        spans = list(draw_spans(source, target, generator=Random(seed)))
        assert len(spans) == (2 if min(source, target) >= 2 else 0)
        edges = [(0, 0), *((span.source_end, span.target_end) for span in spans)]
        for (source_before, target_before), span in zip(edges, spans, strict=False):
            assert source_before <= span.source_start < span.source_end <= source
            assert target_before <= span.target_start < span.target_end <= target


def test_ratio_of_rounds_in_proportion_has_no_interval() -> None:
    assert ratio([2.0, 20.0, 6.0], [1.0, 10.0, 3.0]) == pytest.approx((2, 2, 2))


def test_interval_of_a_ratio() -> None:
    """Of two rounds, one is drawn twice in half of the draws."""
    value, low, high = ratio([1.0, 3.0], [1.0, 1.0])
    assert (value, low, high) == pytest.approx((2, 1, 3))
