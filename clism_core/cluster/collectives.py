"""Collective operations over all workers; no-ops with a single worker."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

ObjectT = TypeVar("ObjectT")


def world_size() -> int:
    """Return the number of workers."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return this worker's rank, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_communication_error(error: Exception) -> bool:
    """Return whether a collective failed, as it does if another worker is lost."""
    # Gloo's errors have no type of their own, but name its source files.
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "/gloo/" in str(error))


def sum_over_workers(values: Tensor) -> list[float]:
    """Return the element-wise sum of a vector over the workers."""
    if world_size() > 1:
        dist.all_reduce(values)
    sums: list[float] = values.tolist()
    return sums


def gather_objects(own: ObjectT) -> list[ObjectT]:
    """Return the objects of all workers, which must be picklable, in order of rank."""
    if world_size() == 1:
        return [own]
    objects = [own] * world_size()
    dist.all_gather_object(objects, own)
    return objects


def gather_results(compute: Callable[[], ObjectT]) -> list[ObjectT]:
    """Return the results of `compute` on all workers, in order of rank.

    An exception on any worker is raised on all of them. Otherwise one would leave while the others wait for it.
    """
    outcome: tuple[list[ObjectT], Exception | None]
    try:
        outcome = [compute()], None
    except Exception as error:  # raised on all workers below
        outcome = [], error
    outcomes = gather_objects(outcome)
    failure = next((error for _, error in outcomes if error is not None), None)
    if failure is not None:
        raise failure
    return [result for results, _ in outcomes for result in results]


def gather_rows(rows: Tensor) -> Tensor:
    """Concatenate the workers' tensors [n_r, ...] along the first dimension, in order of rank, without gradients.

    The number of rows may differ between workers.
    """
    rows = rows.detach()
    if world_size() == 1:
        return rows
    counts = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(world_size())]
    dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    longest = max(int(count) for count in counts)
    padded = rows.new_zeros((longest, *rows.shape[1:]))
    padded[: len(rows)] = rows
    gathered = [torch.empty_like(padded) for _ in range(world_size())]
    dist.all_gather(gathered, padded)
    return torch.cat([part[: int(count)] for part, count in zip(gathered, counts, strict=True)])
