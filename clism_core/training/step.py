"""Gradients of one optimiser step over a global batch that is distributed over workers and micro-batches.

Losses are sums divided by global counts, which are known before the first forward pass, so that the step does not
depend on how the batch is distributed. Contrastive objectives compare the whole global batch: their gradients are
computed on gathered vectors, and passed to the encoder as a linear term `(vectors * gradients).sum()`. With several
micro-batches, the vectors are computed in a first pass without a graph, and each micro-batch is replayed with the same
random state (gradient caching: Gao et al. 2021, arXiv 2101.06983).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from clism_core.cluster.collectives import gather_rows, rank, sum_over_workers, world_size
from clism_core.model.inputs import ModelInputs
from clism_core.model.objective import Result
from clism_core.model.precision import Precision
from clism_core.model.trainable import TrainedModel

ResultsT = TypeVar("ResultsT")


class StepSums:
    """Losses and metrics of one or more global batches, as local sums and global counts of their items."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], Tensor] = {}
        self._counts: dict[str, float] = {}

    def add_counts(self, counts: dict[str, float]) -> None:
        """Add the global item counts of a step, by objective."""
        for name, count in counts.items():
            self._counts[name] = self._counts.get(name, 0.0) + count

    def add(self, name: str, result: Result, *, share: float = 1.0) -> None:
        """Add `share` of a result's sums; for a result that every worker has in full, the shares add up to 1."""
        for metric, value in {"loss": result.loss_sum, **result.metric_sums}.items():
            part, before = value.detach().double() * share, self._sums.get((name, metric))
            self._sums[name, metric] = part if before is None else before + part

    def merge(self, other: "StepSums") -> None:
        """Add the sums and counts of `other`."""
        self.add_counts(other._counts)
        for key, value in other._sums.items():
            self._sums[key] = self._sums[key] + value if key in self._sums else value

    def means(self) -> dict[str, float]:
        """Return the means `{objective}_{metric}` over all workers (a collective), without objectives without items."""
        if not self._sums:
            return {}
        totals = sum_over_workers(torch.stack(list(self._sums.values())))
        return {
            f"{name}_{metric}": total / self._counts[name]
            for (name, metric), total in zip(self._sums, totals, strict=True)
            if self._counts[name] > 0
        }


class GradientStep:
    """Computation of the gradients of the weighted losses of a global batch.

    Args:
        model: the model, or its DDP wrapper, whose averaging of gradients is compensated.
        weights: loss weight of each objective of the model.
        precision: autocast and loss scaling.
        seed: seed of dropout; each micro-batch of each step and rank derives its own from it.
    """

    def __init__(self, model: nn.Module, *, weights: dict[str, float], precision: Precision, seed: int):
        self.model = model
        self.weights = weights
        self.precision = precision
        self.seed = seed
        inner = model.module if isinstance(model, DistributedDataParallel) else model
        assert isinstance(inner, TrainedModel)
        self.inner: TrainedModel[Any] = inner

    def __call__(self, step: int, micro_batches: Sequence[ModelInputs], sums: StepSums) -> None:
        """Add the gradients of one global batch to the parameters, and its losses and metrics to `sums`.

        Args:
            step: index of the optimiser step, from which dropout is seeded.
            micro_batches: this worker's part of the global batch, on its device.
            sums: accumulator of losses and metrics.
        """
        counts, accumulates = self._global_counts(micro_batches)
        sums.add_counts(counts)
        cached = self._cached_gradients(step, micro_batches, counts, sums) if accumulates else None
        for number, batch in enumerate(micro_batches):
            with self._synchronised(last=number == len(micro_batches) - 1):
                results = self._forward(self.model, step, number, batch)
                vectors = {name: result for name, result in results.items() if isinstance(result, Tensor)}
                if cached is None:
                    gradients = self._vector_gradients(vectors, [batch], counts, sums)
                else:
                    gradients = {name: parts[number] for name, parts in cached.items()}
                losses = [(vectors[name] * gradients[name]).sum() for name in vectors]
                for name, result in results.items():
                    if isinstance(result, Result):
                        sums.add(name, result)
                        losses.append(self.weights[name] * result.loss_sum / max(counts[name], 1.0))
                # DDP divides the sum of the workers' gradients by the number of workers
                self.precision.scale(torch.stack(losses).sum() * world_size()).backward()

    def _global_counts(self, micro_batches: Sequence[ModelInputs]) -> tuple[dict[str, float], bool]:
        """Return the item count of each objective, and whether any worker has several micro-batches.

        If workers have unequal shares, only some may have. All of them have to gather vectors before their first
        forward pass through DDP, which has collectives of its own.
        """
        names = list(self.inner.objectives)
        local = [float(sum(self.inner.count(name, batch) for batch in micro_batches)) for name in names]
        device = micro_batches[0].input_ids.device
        *totals, accumulating = sum_over_workers(
            torch.tensor([*local, float(len(micro_batches) > 1)], dtype=torch.float64, device=device)
        )
        return dict(zip(names, totals, strict=True)), accumulating > 0

    def _forward(
        self, forward: Callable[[ModelInputs], ResultsT], step: int, number: int, batch: ModelInputs
    ) -> ResultsT:
        """Run a forward pass with the dropout seed of this micro-batch."""
        seed = np.random.SeedSequence([self.seed, step, rank(), number]).generate_state(1, np.uint64)[0]
        torch.manual_seed(int(seed >> np.uint64(1)))
        with self.precision.autocast():
            return forward(batch)

    def _cached_gradients(
        self, step: int, micro_batches: Sequence[ModelInputs], counts: dict[str, float], sums: StepSums
    ) -> dict[str, list[Tensor]]:
        """Return the gradients with respect to each micro-batch's vectors, from a first pass over all micro-batches."""
        if not self.inner.contrastive():
            return {}
        with torch.no_grad():
            parts = [
                self._forward(self.inner.contrastive_vectors, step, number, batch)
                for number, batch in enumerate(micro_batches)
            ]
        vectors = {name: torch.cat([part[name] for part in parts]) for name in self.inner.contrastive()}
        gradients = self._vector_gradients(vectors, micro_batches, counts, sums)
        sizes = [len(batch.input_ids) for batch in micro_batches]
        return {name: list(gradient.split(sizes)) for name, gradient in gradients.items()}

    def _vector_gradients(
        self,
        vectors: dict[str, Tensor],
        micro_batches: Sequence[ModelInputs],
        counts: dict[str, float],
        sums: StepSums,
    ) -> dict[str, Tensor]:
        """Return the gradient of each contrastive loss of the global batch with respect to this worker's vectors.

        Every worker computes the whole loss, in which its vectors are anchors and negatives of all others, so that no
        gradients need to be exchanged.
        """
        gradients = {}
        for name, local in vectors.items():
            objective = self.inner.contrastive()[name]
            gathered = gather_rows(local).requires_grad_()
            first = int(gather_rows(torch.tensor([len(local)], device=local.device))[: rank()].sum())
            with torch.enable_grad():
                result = objective.loss(gathered, gather_rows(_keys(micro_batches)))
                loss = self.weights[name] * result.loss_sum / counts[name]
                (gradient,) = torch.autograd.grad(loss, gathered)
            gradients[name] = gradient[first : first + len(local)]
            sums.add(name, result, share=1.0 / world_size())
        return gradients

    def _synchronised(self, *, last: bool) -> AbstractContextManager[None]:
        """Return a context in which DDP reduces the gradients over the workers in the last micro-batch only."""
        if isinstance(self.model, DistributedDataParallel) and not last:
            context: AbstractContextManager[None] = self.model.no_sync()
            return context
        return nullcontext()


def _keys(micro_batches: Sequence[ModelInputs]) -> Tensor:
    keys = [batch.keys for batch in micro_batches if batch.keys is not None]
    assert len(keys) == len(micro_batches), "contrastive objectives need keys"
    return torch.cat(keys)
