"""How many runs have room in a cluster at a time, and what each may take of it."""

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence

import ray

from clism_core.cluster.nodes import resources_here
from clism_core.training.config import WorkersConfig
from clism_core.training.data.loader import INGEST_CPUS
from clism_core.utils.errors import InputError

logger = logging.getLogger(__name__)

LEAST_SHARE = 0.0001
"""Ray counts resources in such parts."""
PROCESS_MEMORY = 2 * 2**30
"""Bytes that Ray keeps free for a run's own process with Ray Train's controller: about 1.6 GB were seen."""
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


def run_concurrency(workers: Sequence[WorkersConfig], *, wanted: int | None) -> int:
    """Return how many runs there are to be side by side in the cluster that this process is connected to.

    Args:
        workers: of the kinds of run there are.
        wanted: by the user, who may know of nodes that are yet to come; None for as many as have room now by what their
            workers take. More than this node has memory for, as their own processes take it, are never side by side.

    Raises:
        InputError: if no number is wanted, and the cluster has no room for one.
    """
    if wanted is None:
        wanted = _room(workers)
    processes = int(resources_here()["memory"] // process_memory())
    if processes < wanted:
        logger.warning(
            "%d runs are to be side by side, but by this node's memory the processes of %d only, %.1f GiB each",
            *(wanted, processes, process_memory() / 2**30),
        )
    return min(wanted, processes)


def _room(workers: Sequence[WorkersConfig]) -> int:
    resources = ray.cluster_resources()
    largest = max(workers, key=lambda each: share(each, resources))
    if share(largest, resources) > 1 + _TINY:
        needs = " and ".join(f"{amount:g} {name}s" for name, amount in _needs(largest).items())
        has = " and ".join(f"{resources.get(name, 0):g} {name}s" for name in _needs(largest))
        raise InputError(
            f"--max_concurrent: a run takes {needs}, and the cluster has {has} now, so that how many runs have room is "
            "not known; start when the nodes are there, or say how many are to be side by side"
        )
    return concurrent_runs(workers, resources)


def _needs(workers: WorkersConfig) -> dict[str, float]:
    taken = workers.resources()
    return {**taken, "CPU": taken["CPU"] + INGEST_CPUS}


def part_of_node(part: float) -> float:
    """Return a part of a node's own resource, of which there is 1, rounded down to what Ray counts in."""
    return max(LEAST_SHARE, math.floor(part / LEAST_SHARE) * LEAST_SHARE)


def process_memory() -> float:
    """Return the bytes that Ray keeps free for a run's own process: less where this node has less."""
    return min(PROCESS_MEMORY, resources_here()["memory"])


def with_own_threads(workers: WorkersConfig, *, runs: int, nodes: Sequence[Mapping[str, float]]) -> WorkersConfig:
    """Return the workers of a run with the cores shared among so many runs, where nothing else is said.

    Args:
        workers: of the run.
        runs: how many there are side by side.
        nodes: what each of the cluster's nodes has; a worker may be on any, so that the smallest one is the limit.
    """
    cores = [node["CPU"] for node in nodes if node.get("CPU")] or [1.0]
    threads = max(1, int(min(sum(cores) / (runs * workers.number), *cores)))
    return dataclasses.replace(workers, threads=workers.threads or threads)
