"""Nodes of the cluster that this process is connected to."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clism_core.utils.errors import failure_message

AnswerT = TypeVar("AnswerT")


class NoAnswerError(RuntimeError):
    """A node has not run what it was asked to; the text says why, as a predicate."""


def live_nodes() -> list[dict[str, Any]]:
    """Return Ray's descriptions of the nodes that are alive."""
    return [node for node in ray.nodes() if node["Alive"]]


def node_resources() -> list[dict[str, float]]:
    """Return the total resources of each live node, such as `{"CPU": 8.0, "memory": 2e10}`."""
    return [node["Resources"] for node in live_nodes()]


def working_nodes() -> list[str]:
    """Return the ids of the live nodes that may run tasks and workers of a job: those with CPUs or GPUs."""
    return [node["NodeID"] for node in live_nodes() if any(node["Resources"].get(name) for name in ("CPU", "GPU"))]


def node_names() -> dict[str, str]:
    """Return the host names of the live nodes by their ids; nodes of one host also have the start of their id."""
    hosts = {node["NodeID"]: str(node["NodeManagerHostname"]) for node in live_nodes()}
    times = Counter(hosts.values())
    return {node: host if times[host] == 1 else f"{host} ({node[:8]})" for node, host in hosts.items()}


def ask_nodes(
    function: Callable[[], AnswerT], nodes: Iterable[str], *, timeout: float
) -> dict[str, AnswerT | NoAnswerError]:
    """Run a function on nodes, all at once and each in a process of its own, without reserving CPUs.

    Args:
        function: What to run.
        nodes: Ids of the nodes.
        timeout: Seconds to wait for all of them together.

    Returns:
        Result or error by node id.
    """
    task: Any = ray.remote(num_cpus=0, max_retries=0, max_calls=1)(_call)
    running = {
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(function): node
        for node in nodes
    }
    if not running:
        return {}
    ended, late = ray.wait(list(running), num_returns=len(running), timeout=timeout)
    for reference in late:
        ray.cancel(reference, force=True)
    answers: dict[str, AnswerT | NoAnswerError] = {
        running[reference]: NoAnswerError(f"did not answer within {timeout:g} s") for reference in late
    }
    for reference in ended:
        try:
            answers[running[reference]] = ray.get(reference)
        except Exception as error:  # of many kinds: a lost node, a package that it lacks
            answers[running[reference]] = NoAnswerError(f"could not be examined: {failure_message(error)}")
    return answers


def _call(function: Callable[[], AnswerT]) -> AnswerT:
    return function()


def this_node_id() -> str:
    """Return Ray's id of this process's node."""
    return str(ray.get_runtime_context().get_node_id())


def resources_here() -> dict[str, float]:
    """Return the total resources of this process's node."""
    (resources,) = (node["Resources"] for node in live_nodes() if node["NodeID"] == this_node_id())
    return dict(resources)


def own_resource() -> str:
    """Return the name of the resource that only this process's node has; its amount is 1."""
    return next(name for name in resources_here() if name.startswith("node:") and not name.startswith("node:__"))


def this_node_label() -> dict[str, str]:
    """Return the label that only this process's node has."""
    return {"ray.io/node-id": this_node_id()}


def on_this_node() -> NodeAffinitySchedulingStrategy:
    """Return the scheduling strategy that pins an actor to this process's node, so that both share its lifetime."""
    return NodeAffinitySchedulingStrategy(this_node_id(), soft=False)
