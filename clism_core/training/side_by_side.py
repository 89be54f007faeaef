"""How many runs have room in a cluster at a time, and what each of them may take of its nodes."""

import dataclasses
from collections.abc import Mapping, Sequence

from clism_core.data.ingest import INGEST_CPUS
from clism_core.training.settings import WorkersConfig


def concurrent_runs(workers: Sequence[WorkersConfig], resources: Mapping[str, float]) -> int:
    """Return how many runs have room side by side, each with what hands data to its workers; at least one.

    More of them would wait for each other's CPUs with none to read data by.

    Args:
        workers: of the kinds of run there are.
        resources: of the cluster.
    """
    cpus = max((each.number * each.cpus for each in workers), default=0.0) + INGEST_CPUS
    room = resources.get("CPU", 0.0) / cpus
    on_gpus = [each for each in workers if each.use_gpu or (each.use_gpu is None and resources.get("GPU"))]
    if on_gpus:
        room = min(room, resources.get("GPU", 0.0) / max(each.number * each.gpus for each in on_gpus))
    return max(1, int(room + 1e-9))


def with_own_threads(workers: WorkersConfig, *, runs: int, cores: float) -> WorkersConfig:
    """Return the workers of a run with the cores shared among so many runs, where nothing else is said."""
    share = max(1, int(cores / (runs * workers.number)))
    return dataclasses.replace(workers, threads=workers.threads or share)
