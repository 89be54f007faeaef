"""Number of runs that fit in a cluster concurrently, and the resources of each."""

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence

import ray

from clism_core.cluster.nodes import resources_here
from clism_core.training.config import WorkersConfig
from clism_core.utils.errors import InputError

logger = logging.getLogger(__name__)

MIN_SHARE = 0.0001
"""Granularity of resources in Ray."""
DATA_CPUS = 0.25
"""CPUs that a run leaves to tasks that read and encode data, such as those of runs that start beside it."""
PROCESS_MEMORY = 2 * 2**30
"""Bytes reserved for a run's own process and Ray Train's controller, which were seen to take about 1.6 GB."""
_TINY = 1e-9


def cluster_share(workers: WorkersConfig, resources: Mapping[str, float]) -> float:
    """Return the larger of a run's shares of the cluster's CPUs and GPUs; above 1 if it does not fit.

    The CPUs of a run include `DATA_CPUS`. If workers held all CPUs, the next run could not encode its data beside them.

    Args:
        workers: workers of the run.
        resources: current resources of the cluster.
    """
    parts = [(workers.maximum * workers.cpus + DATA_CPUS) / max(resources.get("CPU", 0.0), _TINY)]
    if workers.use_gpu or (workers.use_gpu is None and resources.get("GPU")):
        parts.append(workers.maximum * workers.gpus / max(resources.get("GPU", 0.0), _TINY))
    return max(parts)


def concurrent_runs(workers: Sequence[WorkersConfig], resources: Mapping[str, float]) -> int:
    """Return how many runs of the largest kind fit in the cluster concurrently; at least one.

    Args:
        workers: workers of each kind of run.
        resources: resources of the cluster.
    """
    return max(1, int(1 / max(cluster_share(each, resources) for each in workers) + _TINY))


def run_concurrency(workers: Sequence[WorkersConfig], *, requested: int | None) -> int:
    """Return the number of concurrent runs in the connected cluster, limited by this node's memory for their processes.

    Args:
        workers: workers of each kind of run.
        requested: number set by the user, who may expect more nodes to join; None for as many as fit now.

    Raises:
        InputError: if `requested` is None and not even one run fits.
    """
    if requested is None:
        requested = _fitting_runs(workers)
    processes = int(resources_here()["memory"] // process_memory())
    if processes < requested:
        logger.warning(
            "%d concurrent runs requested, but this node has memory for the processes of only %d, %.1f GiB each",
            *(requested, processes, process_memory() / 2**30),
        )
    return min(requested, processes)


def _fitting_runs(workers: Sequence[WorkersConfig]) -> int:
    resources = ray.cluster_resources()
    largest = max(workers, key=lambda each: cluster_share(each, resources))
    if cluster_share(largest, resources) > 1 + _TINY:
        needs = " and ".join(f"{amount:g} {name}s" for name, amount in _needs(largest).items())
        has = " and ".join(f"{resources.get(name, 0):g} {name}s" for name in _needs(largest))
        raise InputError(
            f"a run needs {needs}, but the cluster has only {has} now; start when more nodes have joined, or set "
            "--max_concurrent"
        )
    return concurrent_runs(workers, resources)


def _needs(workers: WorkersConfig) -> dict[str, float]:
    taken = workers.resources()
    return {**taken, "CPU": taken["CPU"] + DATA_CPUS}


def node_share(share: float) -> float:
    """Return a share of a node's own resource, whose total is 1, rounded down to Ray's granularity."""
    return max(MIN_SHARE, math.floor(share / MIN_SHARE) * MIN_SHARE)


def process_memory() -> float:
    """Return the bytes reserved for a run's own process: `PROCESS_MEMORY`, or all of this node's if it has less."""
    return min(PROCESS_MEMORY, resources_here()["memory"])


def with_own_threads(workers: WorkersConfig, *, runs: int, nodes: Sequence[Mapping[str, float]]) -> WorkersConfig:
    """Return the workers of a run with its part of the cores as threads, unless `threads` is set.

    Args:
        workers: workers of the run.
        runs: number of concurrent runs.
        nodes: resources of each node; the smallest node is the limit, because a worker may run on any.
    """
    cores = [node["CPU"] for node in nodes if node.get("CPU")] or [1.0]
    threads = max(1, int(min(sum(cores) / (runs * workers.maximum), *cores)))
    return dataclasses.replace(workers, threads=workers.threads or threads)
