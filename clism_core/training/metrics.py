"""Metrics of a training loop every few steps, for MLflow and as a log line."""

import logging
import math
import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from clism_core.cluster.collectives import rank, sum_over_workers
from clism_core.model.inputs import ModelInputs
from clism_core.model.precision import Update
from clism_core.training.step import StepSums
from clism_core.utils.progress import time_left

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 5.0


class Meter:
    """Accumulator of losses, padding, gradient norms and time between two readings.

    Args:
        total_steps: total number of steps of the run.
        first_step: step from which this process trains.
        device: device of the model.
    """

    def __init__(self, *, total_steps: int, first_step: int, device: torch.device):
        self._device = device
        self.total_steps = total_steps
        self.step = first_step
        self._first_step = first_step
        self._seconds = 0.0  # spent in steps since the start of this process
        self._line_at = -math.inf
        self._resumed_at = time.monotonic()
        self._reset()

    def _reset(self) -> None:
        self._sums = StepSums()
        self._norms: list[float] = []
        self._steps = self._tokens = self._cells = 0
        self._outcomes = Counter[str]()
        self._counters = Counter[str]()
        self._seconds_at_reset = self._seconds

    def add(
        self, micro_batches: Sequence[ModelInputs], sums: StepSums, *, update: Update, learning_rate: float
    ) -> None:
        """Add a step; losses and metrics of a skipped one, which may not be finite, are left out."""
        self.step += 1
        self._steps += 1
        self._learning_rate = learning_rate
        self._tokens += sum(batch.n_tokens for batch in micro_batches)
        self._cells += sum(batch.input_ids.numel() for batch in micro_batches)
        for batch in micro_batches:
            self._counters.update(batch.counters)
        self._outcomes[update.outcome] += 1
        if update.outcome == "taken":
            self._norms.append(update.gradient_norm)
        if update.outcome != "skipped":
            self._sums.merge(sums)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Exclude the time spent in the block from the time per step."""
        self._stop_clock()
        yield
        self._resumed_at = time.monotonic()

    def _stop_clock(self) -> None:
        now = time.monotonic()
        self._seconds, self._resumed_at = self._seconds + now - self._resumed_at, now

    def read(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Return the metrics since the last reading (a collective), and reset them.

        Losses, metrics, padding and counters are over the global batches; memory is that of this worker.
        """
        metrics = self._sums.means()
        self._stop_clock()
        names = sorted(self._counters)  # the same ones on all workers
        local = [self._tokens, self._cells, *(self._counters[name] for name in names)]
        tokens, cells, *counts = sum_over_workers(torch.tensor(local, dtype=torch.float64, device=self._device))
        if self._outcomes["skipped"] < self._steps:
            metrics["loss"] = sum(weight * metrics.get(f"{name}_loss", 0.0) for name, weight in weights.items())
        metrics["learning_rate"] = self._learning_rate
        metrics["seconds_per_step"] = (self._seconds - self._seconds_at_reset) / self._steps
        metrics["padding_share"] = 1 - tokens / cells
        metrics |= dict(zip(names, counts, strict=True))
        metrics["skipped_steps"] = self._outcomes["skipped"]
        metrics["overflowed_steps"] = self._outcomes["overflowed"]
        metrics["peak_memory_gb"] = _peak_memory_gb(self._device)
        if self._norms:
            metrics["gradient_norm"] = sum(self._norms) / len(self._norms)
        self._reset()
        self._log_line(metrics, weights)
        return metrics

    def _log_line(self, metrics: Mapping[str, float], weights: Mapping[str, float]) -> None:
        now = time.monotonic()
        if rank() != 0 or (now - self._line_at < SECONDS_BETWEEN_LINES and self.step < self.total_steps):
            return
        self._line_at = now
        losses = ", ".join(f"{name} {metrics[f'{name}_loss']:.2f}" for name in weights if f"{name}_loss" in metrics)
        logger.info(
            "step %d/%d  loss %.2f (%s)  %.2f s per step  %s left",
            *(self.step, self.total_steps, metrics.get("loss", math.nan), losses, metrics["seconds_per_step"]),
            time_left(self._seconds, done=self.step - self._first_step, left=self.total_steps - self.step),
        )


def _peak_memory_gb(device: torch.device) -> float:
    """Return the peak memory of this process: on the GPU if it uses one, else on the host."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # in KB on Linux
