"""How many runs have room in a cluster at a time, and what each of them may take of it."""

import dataclasses
from collections.abc import Mapping, Sequence

from clism_core.data.ingest import INGEST_CPUS
from clism_core.training.settings import WorkersConfig

_TINY = 1e-9


def share(workers: WorkersConfig, resources: Mapping[str, float]) -> float:
    """Return the part of a cluster that a run takes, of its CPUs or GPUs, whichever it needs more of; above 1 where it
    needs more than there is.

    A run's CPUs are those of its workers and of what hands data to them. More runs than there are parts would wait for
    each other's CPUs with none to read data by.

    Args:
        workers: of the run.
        resources: of the cluster, as it is now.
    """
    parts = [(workers.number * workers.cpus + INGEST_CPUS) / max(resources.get("CPU", 0.0), _TINY)]
    if workers.use_gpu or (workers.use_gpu is None and resources.get("GPU")):
        parts.append(workers.number * workers.gpus / max(resources.get("GPU", 0.0), _TINY))
    return max(parts)


def concurrent_runs(workers: Sequence[WorkersConfig], resources: Mapping[str, float]) -> int:
    """Return how many runs have room side by side, each of which may be of any of the kinds; at least one.

    Args:
        workers: of the kinds of run there are.
        resources: of the cluster.
    """
    return max(1, int(1 / max(share(each, resources) for each in workers) + _TINY))


def with_own_threads(workers: WorkersConfig, *, runs: int, cores: float) -> WorkersConfig:
    """Return the workers of a run with the cores shared among so many runs, where nothing else is said."""
    threads = max(1, int(cores / (runs * workers.number)))
    return dataclasses.replace(workers, threads=workers.threads or threads)
