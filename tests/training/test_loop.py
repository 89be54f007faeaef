"""Checkpoints and evaluations of the training loop, without a cluster."""

from typing import Any

import pytest
import torch
from torch import nn

from clism_core.model.inputs import ModelInputs
from clism_core.model.precision import Precision
from clism_core.training.checkpoints import TrainingState
from clism_core.training.loop import CadenceConfig, LoopConfig, TrainingLoop
from clism_core.training.optimizer import OptimizerConfig, build_optimizer
from clism_core.training.step import StepSums


class NoGradients:
    """Replacement for the computation of gradients that computes none, so that nothing is learnt."""

    def __init__(self) -> None:
        self.weights: dict[str, float] = {}

    def __call__(self, step: int, micro_batches: object, sums: StepSums) -> None: ...


class NoRun:
    """A tracked run that discards all metrics."""

    def log_metrics(self, metrics: object, *, step: int) -> None: ...


def run_loop(
    monkeypatch: pytest.MonkeyPatch, cadence: CadenceConfig, scores: dict[int, float], *, steps: int, first_step: int
) -> tuple[list[int], list[int]]:
    """Train without learning on given scores; return the steps that were evaluated, and those that were saved."""
    model = nn.Linear(2, 2)
    optimizer, schedule = build_optimizer(model, OptimizerConfig(warmup_steps=0), steps)
    state = TrainingState(optimizer, schedule, Precision("fp32", torch.device("cpu")), step=first_step)
    evaluated: list[int] = []
    saved: list[int] = []

    def evaluate() -> tuple[dict[str, float], float]:
        evaluated.append(state.step)
        return {}, scores[state.step]

    monkeypatch.setattr(TrainingLoop, "_save", lambda loop: saved.append(loop.state.step))
    replaced: Any = {"gradient_step": NoGradients(), "run": NoRun()}
    loop = TrainingLoop(
        LoopConfig(**vars(cadence), steps=steps),
        model=model,
        state=state,
        max_gradient_norm=1.0,
        evaluate=evaluate,
        should_stop=lambda: False,
        **replaced,
    )
    inputs = ModelInputs(input_ids=torch.ones(1, 2), attention_mask=torch.ones(1, 2), token_type_ids=None, n_tokens=2)
    assert loop.fit([[inputs]] * (steps - first_step))
    return evaluated, saved


@pytest.mark.parametrize(
    ("scores", "first_step", "saved"),
    [
        pytest.param({0: 1, 2: 3, 3: 2, 6: 4, 8: 0}, 0, [2, 5, 6, 8], id="the best ones, every fifth, and the last"),
        pytest.param({0: 9, 2: 7, 3: 8, 6: 5, 8: 6}, 0, [2, 3, 5, 8], id="where training only does harm"),
        pytest.param({6: 4, 8: 3}, 5, [6, 8], id="a resumed run knows no score before"),
    ],
)
def test_improved_scores_are_saved(
    monkeypatch: pytest.MonkeyPatch, scores: dict[int, float], first_step: int, saved: list[int]
) -> None:
    cadence = CadenceConfig(evaluate_every=6, checkpoint_every=5, evaluate_at=[2, 3, 100])
    found = run_loop(monkeypatch, cadence, scores, steps=8, first_step=first_step)
    assert found == (list(scores), saved)
