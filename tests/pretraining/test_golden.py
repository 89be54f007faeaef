"""Seeded losses of the whole training step, which a refactoring must keep.

A deliberate change of the method changes them: then put in the new ones, and say why in the commit.
"""

from pathlib import Path

import pytest
import torch
from test_step import WEIGHTS, build_model, samples
from tiny import write_encoder

from clism_core.model.precision import Precision, ResolvedName
from clism_core.pretraining.batches import BatchBuilder, MaskingConfig
from clism_core.training.optimizer import OptimizerConfig, build_optimizer
from clism_core.training.step import GradientStep, StepSums

GOLDEN = [
    {"clism_loss": 6.021693, "cacr_loss": 8.152373, "mlm_loss": 5.059561},
    {"clism_loss": 6.021693, "cacr_loss": 8.152373, "mlm_loss": 5.059561},  # the warm-up begins with a rate of 0
    {"clism_loss": 3.985221, "cacr_loss": 7.748255, "mlm_loss": 4.934600},
    {"clism_loss": 2.537368, "cacr_loss": 7.487173, "mlm_loss": 4.851184},
]


def train(folder: Path, precision_name: ResolvedName) -> list[dict[str, float]]:
    model = build_model(folder).float()
    model.eval()  # the tiny encoder has no dropout; this makes sure
    builder = BatchBuilder(model.tokenizer, MaskingConfig(max_length=64), seed=0)
    precision = Precision(precision_name, torch.device("cpu"))
    step = GradientStep(model, weights=WEIGHTS.weights(), precision=precision, seed=0)
    optimizer, schedule = build_optimizer(model, OptimizerConfig(learning_rate=1e-2, warmup_steps=1), 4)
    losses = []
    for number in range(4):
        sums = StepSums()
        optimizer.zero_grad()
        step(number, [builder([[entry] for entry in samples()])], sums)
        precision.step(optimizer, model, 1.0)
        schedule.step()
        losses.append({name: value for name, value in sums.means().items() if name.endswith("_loss")})
    return losses


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 1e-2)])
def test_seeded_losses_are_unchanged(precision: ResolvedName, tolerance: float, tmp_path: Path) -> None:
    for got, expected in zip(train(write_encoder("xlmr", tmp_path), precision), GOLDEN, strict=True):
        assert got == pytest.approx(expected, rel=tolerance)
