"""Nodes of the cluster that this process is connected to."""

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


def live_nodes() -> list[dict[str, Any]]:
    """Return Ray's descriptions of the nodes that are alive."""
    return [node for node in ray.nodes() if node["Alive"]]


def node_resources() -> list[dict[str, float]]:
    """Return the total resources of each live node, such as `{"CPU": 8.0, "memory": 2e10}`."""
    return [node["Resources"] for node in live_nodes()]


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
