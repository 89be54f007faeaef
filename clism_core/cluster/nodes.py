"""The nodes of the cluster that this process is connected to."""

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


def live_nodes() -> list[dict[str, Any]]:
    """Return the nodes that are there now, in Ray's words."""
    return [node for node in ray.nodes() if node["Alive"]]


def node_resources() -> list[dict[str, float]]:
    """Return what each node that is there now has in all, such as `{"CPU": 8.0, "memory": 2e10}`."""
    return [node["Resources"] for node in live_nodes()]


def this_node_id() -> str:
    """Return Ray's id of the node that this process is on."""
    return str(ray.get_runtime_context().get_node_id())


def resources_here() -> dict[str, float]:
    """Return what this process's node has in all."""
    (found,) = (node["Resources"] for node in live_nodes() if node["NodeID"] == this_node_id())
    return dict(found)


def own_resource() -> str:
    """Return the name of the resource, of which there is 1, that Ray gives this process's node and no other."""
    return next(name for name in resources_here() if name.startswith("node:") and not name.startswith("node:__"))


def this_node_label() -> dict[str, str]:
    """Return the label that this process's node has, and no other."""
    return {"ray.io/node-id": this_node_id()}


def on_this_node() -> NodeAffinitySchedulingStrategy:
    """Return what keeps an actor on this process's node, so that it lives as long as this process can."""
    return NodeAffinitySchedulingStrategy(this_node_id(), soft=False)
