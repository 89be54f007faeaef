"""Script that starts a Ray cluster of two nodes on this machine, the second one with a fictitious GPU, and prints what
the library finds there as JSON. It runs in a separate process, because the tests already have a cluster."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import ray
from ray import tune
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clism_core.cluster.connect import connect
from clism_core.cluster.nodes import live_nodes, own_resource, this_node_id
from clism_core.experiments.concurrency import run_concurrency
from clism_core.experiments.tuning.sweep import TUNE_SETTINGS, trial_resources
from clism_core.pretraining.config import PretrainConfig
from clism_core.training.config import WorkersConfig
from clism_core.training.preflight import check
from clism_core.utils.errors import InputError

GIB = 2**30


class WhereAmI(tune.Trainable):
    def step(self) -> dict[str, Any]:
        began = time.time()
        time.sleep(1)
        return {"node": this_node_id(), "began": began, "ended": time.time(), "done": True}

    def save_checkpoint(self, _folder: str) -> None:
        pass


def trials(folder: str, *, most: int | None) -> list[tuple[str, float, float]]:
    """Return node, start and end time of each trial, in order of start."""
    tuner = tune.Tuner(
        tune.with_resources(WhereAmI, trial_resources(most)),
        tune_config=tune.TuneConfig(num_samples=4),
        run_config=tune.RunConfig(storage_path=folder, verbose=0),
    )
    results: Any = tuner.fit()
    found = [(each.metrics["node"], each.metrics["began"], each.metrics["ended"]) for each in results]
    return sorted(found, key=lambda trial: trial[1])


def visible_gpus(node: str, gpus: int) -> str | None:
    def look() -> str | None:
        return os.environ.get("CUDA_VISIBLE_DEVICES")

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    task: Any = ray.remote(look).options(num_cpus=0, num_gpus=gpus, scheduling_strategy=there)
    found: str | None = ray.get(task.remote())
    return found


def refusal(function: Callable[[], object]) -> str:
    try:
        function()
    except InputError as error:
        return str(error)
    return ""


def main() -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = "0"  # as on a node with one GPU
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "memory": 7 * GIB})
    cluster.add_node(num_cpus=2, num_gpus=1, memory=40 * GIB)
    os.environ.update(TUNE_SETTINGS, RAY_ADDRESS=cluster.address)
    connect()
    (other,) = (node["NodeID"] for node in live_nodes() if node["NodeID"] != this_node_id())
    small, large = WorkersConfig(use_gpu=False, cpus=0.25), WorkersConfig(number=8, use_gpu=True)
    check.TIMEOUT = 200.0  # this machine may be busy
    on_gpus = PretrainConfig(model="", data="", workers=WorkersConfig(use_gpu=True))
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "here": this_node_id(),
            "other": other,
            "own_resource": own_resource(),
            "trials": trials(folder, most=None),
            "trials_in_turn": trials(folder, most=1),
            "gpus_of_none": visible_gpus(other, 0),
            "gpus_of_one": visible_gpus(other, 1),
            "small_runs": run_concurrency([small], requested=None),
            "large_runs": refusal(lambda: run_concurrency([large], requested=None)),
            "unfit_cluster": refusal(lambda: check.check_cluster([on_gpus], output=folder)),
            "large_runs_by_number": run_concurrency([small, large], requested=2),
        }
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
