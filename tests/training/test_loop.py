"""Checkpoints, evaluations and skipped steps of the training loop, without a cluster."""

import math
import pickle
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import nn

from clism_core.cluster.graceful_stop import Requests
from clism_core.model.inputs import ModelInputs
from clism_core.model.precision import Precision
from clism_core.training.checkpoint_store import CheckpointStore
from clism_core.training.checkpoints import TrainingState
from clism_core.training.failures import DivergedError
from clism_core.training.loop import CadenceConfig, LoopConfig, TrainingLoop
from clism_core.training.optimizer import OptimizerConfig, build_optimizer
from clism_core.training.step import StepSums


class NoGradients:
    """Replacement for the computation of gradients: they are 0, or not a number in some steps."""

    def __init__(self, model: nn.Module, poisoned: Collection[int]) -> None:
        self.weights: dict[str, float] = {}
        self._model = model
        self._poisoned = poisoned

    def __call__(self, step: int, _batches: object, _sums: StepSums) -> None:
        for parameter in self._model.parameters():
            parameter.grad = torch.full_like(parameter, math.nan if step in self._poisoned else 0.0)


class Metrics:
    """A tracked run that keeps metrics in memory."""

    def __init__(self) -> None:
        self.logged: dict[str, dict[int, float]] = {}

    def log_metrics(self, metrics: dict[str, float], *, step: int) -> None:
        for name, value in metrics.items():
            self.logged.setdefault(name, {})[step] = value

    def keep_points(self) -> None: ...


@dataclass
class Run:
    """A run without learning."""

    cadence: CadenceConfig
    scores: Mapping[int, float]
    poisoned: Collection[int] = ()
    stop_after: int | None = None
    requested: Collection[int] = ()
    model: nn.Module = field(default_factory=lambda: nn.Linear(2, 2))
    evaluated: list[int] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    state: TrainingState | None = None

    def train(self, monkeypatch: pytest.MonkeyPatch, *, steps: int, first_step: int = 0) -> bool:
        """Train to the last step, or to a stop."""
        optimizer, schedule = build_optimizer(self.model, OptimizerConfig(warmup_steps=0), steps)
        state = TrainingState(optimizer, schedule, Precision("fp32", torch.device("cpu")), step=first_step)
        self.state = state

        def evaluate() -> tuple[dict[str, float], float]:
            self.evaluated.append(state.step)
            return {}, self.scores[state.step]

        def report(metrics: dict[str, float], **options: Any) -> None:
            shutil.rmtree(options["checkpoint"].path)
            self.saved.append(int(metrics["step"]))

        monkeypatch.setattr("clism_core.training.loop.save_checkpoint", lambda *_: None)
        monkeypatch.setattr("ray.train.report", report)
        replaced: Any = {"gradient_step": NoGradients(self.model, self.poisoned), "run": self.metrics}
        replaced["gradient_step"].inner = self.model
        loop = TrainingLoop(
            LoopConfig(**vars(self.cadence), steps=steps),
            model=self.model,
            state=state,
            max_gradient_norm=1.0,
            evaluate=evaluate,
            poll=lambda _: Requests(stop=state.step == self.stop_after, save=state.step in self.requested),
            store=CheckpointStore("/nowhere"),
            sample_ids=lambda step: [f"{step}a", f"{step}b"],
            **replaced,
        )
        inputs = ModelInputs(
            input_ids=torch.ones(1, 2), attention_mask=torch.ones(1, 2), token_type_ids=None, n_tokens=2
        )
        return loop.fit([[inputs]] * (steps - first_step))


@pytest.mark.parametrize(
    ("scores", "first_step", "saved"),
    [
        pytest.param({0: 1, 2: 3, 3: 2, 6: 4, 8: 0}, 0, [2, 5, 6, 8], id="the best ones, every fifth, and the last"),
        pytest.param({0: 9, 2: 7, 3: 8, 6: 5, 8: 6}, 0, [2, 3, 5, 8], id="where training only does harm"),
        pytest.param({6: 4, 8: 3}, 5, [6, 8], id="a resumed run knows no score before"),
        pytest.param({0: 1, 2: math.nan, 3: 2, 6: 1, 8: 0}, 0, [3, 5, 8], id="a score that is no number"),
    ],
)
def test_improved_scores_are_saved(
    monkeypatch: pytest.MonkeyPatch, scores: dict[int, float], first_step: int, saved: list[int]
) -> None:
    cadence = CadenceConfig(evaluate_every=6, checkpoint_every=5, evaluate_at=[2, 3, 100])
    run = Run(cadence, scores)
    assert run.train(monkeypatch, steps=8, first_step=first_step)
    assert (run.evaluated, run.saved) == (list(scores), saved)


SELDOM = CadenceConfig(evaluate_every=100, checkpoint_every=5, log_every=10)


def test_a_step_without_finite_gradients_is_skipped_counted_and_its_samples_are_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The steps after it are those that they would be without it."""
    run, undisturbed = Run(SELDOM, {0: 0, 20: 0}, poisoned=[3, 16]), Run(SELDOM, {0: 0, 20: 0})
    undisturbed.model.load_state_dict(run.model.state_dict())
    assert run.train(monkeypatch, steps=20)
    assert undisturbed.train(monkeypatch, steps=20)
    assert "step 4 is skipped: its gradient norm is nan in fp32; its samples: 3a, 3b" in caplog.text
    assert "step 17 is skipped" in caplog.text
    assert run.metrics.logged["train/skipped_steps"] == {10: 1, 20: 1}
    assert run.metrics.logged["train/learning_rate"] == undisturbed.metrics.logged["train/learning_rate"]
    assert run.state is not None
    assert (run.state.step, run.saved) == (20, [5, 10, 15, 20])
    assert all(parameter.isfinite().all() for parameter in run.model.parameters())


def test_ten_skipped_steps_in_a_row_end_the_run_without_a_new_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(SELDOM, {0: 0}, poisoned=[2, *range(7, 20)])
    with pytest.raises(DivergedError, match=r"steps 8 to 17 are not finite .*Samples .* 7a, 7b") as raised:
        run.train(monkeypatch, steps=20)
    assert run.saved == [5]
    assert raised.value.step == 7
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.step) == (str(raised.value), 7)


def test_nine_skipped_steps_in_a_row_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints that were due in between are saved after the next step that is not skipped."""
    run = Run(SELDOM, {0: 0, 20: 0}, poisoned=[*range(9), *range(10, 19)])
    assert run.train(monkeypatch, steps=20)
    assert run.saved == [10, 20]


def test_a_checkpoint_that_is_due_at_a_skipped_step_is_saved_after_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(SELDOM, {0: 0, 12: 0}, poisoned=[4])
    assert run.train(monkeypatch, steps=12)
    assert run.saved == [6, 10, 12]


def test_a_best_score_at_a_skipped_step_is_not_that_of_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    cadence = CadenceConfig(evaluate_every=4, checkpoint_every=100)
    run = Run(cadence, {0: 0, 4: 9, 8: 5, 9: 0}, poisoned=[3])
    assert run.train(monkeypatch, steps=9)
    assert run.saved == [5, 8, 9]  # step 8 is the best of those that are saved


def test_requested_checkpoints_are_saved_and_training_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from a skipped step, whose weights may be at fault, but after the next one."""
    run = Run(SELDOM, {0: 0, 12: 0}, poisoned=[7], requested=[3, 8, 10])
    assert run.train(monkeypatch, steps=12)
    assert run.saved == [3, 5, 9, 10, 12]


def test_a_stop_request_saves_also_while_steps_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(SELDOM, {0: 0}, poisoned=range(6, 20), stop_after=8)
    assert not run.train(monkeypatch, steps=20)
    assert run.saved == [5, 8]


def test_weights_that_are_not_finite_are_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(SELDOM, {0: 0})
    with torch.no_grad():
        next(run.model.parameters())[0, 0] = torch.inf
    with pytest.raises(DivergedError, match="weights are not finite after step 5"):
        run.train(monkeypatch, steps=20)
    assert not run.saved
