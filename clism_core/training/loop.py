"""Training loop of one worker: optimiser steps, evaluation, checkpoints, metrics and graceful stop."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import ray.train
from annotated_types import Ge
from ray.train import Checkpoint, CheckpointUploadMode
from torch import nn

from clism_core.cluster.collectives import rank
from clism_core.cluster.graceful_stop import Requests
from clism_core.model.inputs import ModelInputs
from clism_core.tracking.run import TrackedRun
from clism_core.training.checkpoint_store import CheckpointStore, folder_name
from clism_core.training.checkpoints import TrainingState, save_checkpoint
from clism_core.training.failures import DivergedError
from clism_core.training.metrics import Meter
from clism_core.training.step import GradientStep, StepSums
from clism_core.utils.fields import Adjustable, Incidental
from clism_core.utils.storage import filesystem

logger = logging.getLogger(__name__)

MAX_SKIPPED_IN_A_ROW = 10
"""Number of successive steps without finite gradients that end a run: a few are due to their samples, ten to the
weights."""


@dataclass
class CadenceConfig:
    """Intervals of evaluation, checkpoints and logging, in optimiser steps."""

    evaluate_every: Annotated[int, Adjustable(), Ge(1)] = 500
    """Steps between evaluations on the held-out part; the last step is always evaluated. A checkpoint is saved whenever
    the score improves."""
    checkpoint_every: Annotated[int, Incidental(), Ge(1)] = 500
    """Steps between checkpoints; the last two and the one with the best score are kept."""
    evaluate_at: Annotated[list[int], Adjustable(), Ge(1)] = field(default_factory=list)
    """Additional steps after which to evaluate, such as early ones, when scores change fast."""
    log_every: Annotated[int, Incidental(), Ge(1)] = 10
    """Steps between metrics in MLflow; losses are averaged over these steps."""


@dataclass
class LoopConfig(CadenceConfig):
    """Duration of training, and intervals of evaluation, checkpoints and logging, in optimiser steps."""

    steps: Annotated[int, Ge(1)] = 15_000
    """Total number of optimiser steps."""


class TrainingLoop:
    """Training from the step of `state` to the last step or a stop request.

    Args:
        config: duration and intervals.
        model: the model, or its DDP wrapper if there is one.
        state: optimiser, schedule, precision, and the step to start from.
        gradient_step: computation of the gradients of a global batch.
        max_gradient_norm: norm to which gradients are clipped.
        evaluate: returns metrics and the score of a checkpoint (a collective).
        poll: returns at a step boundary what is requested (a collective), given the seconds that a checkpoint takes.
        run: MLflow run to which rank 0 logs metrics.
        store: checkpoints of the run.
        sample_ids: returns the ids of the samples of the global batch of a step, given its index.
    """

    def __init__(
        self,
        config: LoopConfig,
        *,
        model: nn.Module,
        state: TrainingState,
        gradient_step: GradientStep,
        max_gradient_norm: float,
        evaluate: Callable[[], tuple[dict[str, float], float]],
        poll: Callable[[float], Requests],
        run: TrackedRun,
        store: CheckpointStore,
        sample_ids: Callable[[int], Sequence[str]],
    ):
        self.config = config
        self.model = model
        self.state = state
        self.gradient_step = gradient_step
        self.max_gradient_norm = max_gradient_norm
        self.evaluate = evaluate
        self.poll = poll
        self.run = run
        self.store = store
        self.sample_ids = sample_ids
        self.evaluating = False
        self._skipped_in_a_row = 0
        self._is_due = False
        self._save_seconds = 0.0
        self._metrics: dict[str, float] = {}
        self._evaluated = -1
        self._best_score = -math.inf

    def fit(self, data: Iterable[Sequence[ModelInputs]]) -> bool:
        """Train on `data`, this worker's micro-batches of each remaining step.

        Returns:
            whether training is finished; False after a stop request.

        Raises:
            DivergedError: if gradients or weights are not finite; on all workers, because they have the same.
        """
        if self.state.step in (0, self.config.steps):  # the latter if a finished run is resumed
            self._evaluate()
        meter = Meter(total_steps=self.config.steps, first_step=self.state.step, device=self.state.precision.device)
        self.model.train()
        for micro_batches in data:
            self._step(micro_batches, meter)
            last, requests = self.state.step == self.config.steps, self.poll(self._save_seconds)
            if last or requests.stop or self.state.step % self.config.log_every == 0:
                self._log(meter.read(self.gradient_step.weights))
            with meter.paused():
                due = last or self._is_evaluated(self.state.step)
                is_best = due and self._evaluate()
                self._is_due |= is_best or requests.save or self.state.step % self.config.checkpoint_every == 0
                # While steps are skipped, the weights may be the cause: they must not replace earlier checkpoints.
                if last or requests.stop or (self._is_due and not self._skipped_in_a_row):
                    self._save()
            if requests.stop and not last:
                return False
        return True

    def _is_evaluated(self, step: int) -> bool:
        return step % self.config.evaluate_every == 0 or step in self.config.evaluate_at

    def _step(self, micro_batches: Sequence[ModelInputs], meter: Meter) -> None:
        sums = StepSums()
        self.state.optimizer.zero_grad(set_to_none=True)
        self.gradient_step(self.state.step, micro_batches, sums)
        update = self.state.precision.step(self.state.optimizer, self.model, self.max_gradient_norm)
        learning_rate = float(self.state.schedule.get_last_lr()[0])
        if update.outcome == "skipped":
            self._skip(update.gradient_norm)
        else:
            self._skipped_in_a_row = 0
        self.state.schedule.step()
        self.state.step += 1
        meter.add(micro_batches, sums, update=update, learning_rate=learning_rate)

    def _skip(self, gradient_norm: float) -> None:
        """Log the samples of a step whose gradients are not finite; too many such steps in a row end the run."""
        self._skipped_in_a_row += 1
        if rank() == 0:
            logger.warning(
                "step %d is skipped: its gradient norm is %s in %s; its samples: %s",
                *(self.state.step + 1, gradient_norm, self.state.precision.name),
                ", ".join(self.sample_ids(self.state.step)),
            )
        if self._skipped_in_a_row == MAX_SKIPPED_IN_A_ROW:
            first = self.state.step + 1 - MAX_SKIPPED_IN_A_ROW
            raise DivergedError(
                f"the gradients of steps {first + 1} to {self.state.step + 1} are not finite in "
                f"{self.state.precision.name}",
                step=first,
                sample_ids=self.sample_ids(first),
            )

    def _log(self, metrics: dict[str, float], *, prefix: str = "train") -> None:
        if rank() == 0:
            named = {f"{prefix}/{name}": value for name, value in metrics.items()}
            self.run.log_metrics(named, step=self.state.step)

    def _evaluate(self) -> bool:
        """Evaluate, and return whether the score is above those of all checkpoints."""
        self.evaluating = True  # remains set if the evaluation fails
        self._metrics, score = self.evaluate()
        self.evaluating = False
        self._evaluated = self.state.step
        self._metrics["score"] = score
        self._log(self._metrics, prefix="eval")
        if rank() == 0:
            logger.info("step %d: held-out score %.3f", self.state.step, score)
        return score > self._best_score  # False for a score that is no number

    def _save(self) -> None:
        """Report a checkpoint with the metrics of this step's evaluation; it is uploaded while training continues."""
        step, began = self.state.step, time.monotonic()
        if not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            raise DivergedError(
                f"the weights are not finite after step {step}", step=step, sample_ids=self.sample_ids(step - 1)
            )
        metrics = {"step": step, "progress": 100 * step / self.config.steps}
        if self._evaluated == step:
            metrics |= self._metrics
            self._best_score = max(self._best_score, self._metrics["score"])  # unchanged by what is no number
        self._is_due = False

        def upload(local: Checkpoint, _name: str) -> Checkpoint:
            store, path = filesystem(self.store.upload(Path(local.path), step, metrics))
            self._save_seconds = time.monotonic() - began
            return Checkpoint(path, store)

        checkpoint = None
        if rank() == 0:
            folder = self.store.temporary_folder()
            save_checkpoint(folder, self.gradient_step.inner, self.state)
            checkpoint = Checkpoint.from_directory(folder)
            self.run.keep_points()  # those before the checkpoint do not come again
        ray.train.report(
            metrics,
            checkpoint=checkpoint,
            checkpoint_dir_name=folder_name(step),
            checkpoint_upload_mode=CheckpointUploadMode.ASYNC,
            checkpoint_upload_fn=upload,
        )
