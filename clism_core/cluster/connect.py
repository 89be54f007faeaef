"""Joining a Ray cluster, or starting one that only this machine can reach."""

import json
import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import ray
from ray._private import ray_constants, services, worker
from ray._private.accelerators import RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO_ENV_VAR
from ray.exceptions import AuthenticationError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clism_core.cluster.console import quieten_core_worker, quieten_ray
from clism_core.cluster.nodes import live_nodes, this_node_id
from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.home import home, tracking_uri

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT, PROBE_TIMEOUT = 10.0, 120.0  # seconds
WORKER_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    # Whoever has reserved no GPU sees none. Without it, all processes on CPUs of a node with GPUs would take its first.
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO_ENV_VAR: "1",
}
"""Of all processes that work for a job."""
_PLACES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "MLFLOW_S3_ENDPOINT_URL")
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""What Ray would write into its logs, were it handed on."""


def connect(*, num_cpus: int | None = None) -> None:
    """Connect this process to Ray, unless it is connected.

    To the cluster at `RAY_ADDRESS` (of a submitted job: its own) or one that `ray start` runs on this machine; without
    either, a local one is started, which ends with the process and listens on 127.0.0.1 only.

    Args:
        num_cpus: Of a local cluster; all of the machine's without it.

    Raises `InputError` where the cluster cannot be reached or refuses the token.
    """
    if ray.is_initialized():
        return
    for name, value in WORKER_ENVIRONMENT.items():  # for a local cluster, whose processes inherit it
        os.environ.setdefault(name, value)
    quieten_ray()
    address = services.get_ray_address_from_environment(None, None)  # type: ignore[arg-type]
    if address in (None, "local"):
        _start_local(num_cpus)
    else:
        _join(address)


def _start_local(num_cpus: int | None) -> None:
    # Ray's processes listen on all interfaces, but for this switch of its own, which is meant for laptops: it is on
    # where Ray cannot form clusters. `_node_ip_address="127.0.0.1"` would be replaced by the machine's address.
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"  # for the processes it starts
    ray_constants.ENABLE_RAY_CLUSTER = False  # for this one, which has read it
    # It makes a token where there is none, so that other users of the machine are refused, and warns of it.
    logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)
    # Ray starts its processes and then connects, in one call; only what comes after the processes is to be quiet.
    with patch.object(worker, "connect", _after_quietening(worker.connect)):
        ray.init(address="local", num_cpus=num_cpus, include_dashboard=False, logging_level=logging.WARNING)


def _after_quietening(function: Callable[..., Any]) -> Callable[..., Any]:
    def quieten_and_call(*arguments: Any, **options: Any) -> Any:
        quieten_core_worker()
        return function(*arguments, **options)

    return quieten_and_call


def _join(address: str) -> None:
    _check_reachable(address)
    # What a job was submitted with, its workers have; Ray refuses to be told it again.
    submitted = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    known = (submitted.get("runtime_env") or {}).get("env_vars") or {}
    ours = {**WORKER_ENVIRONMENT, "CLISM_HOME": str(home()), "MLFLOW_TRACKING_URI": tracking_uri()}
    ours |= {name: os.environ[name] for name in _PLACES if name in os.environ}
    env_vars = {name: value for name, value in ours.items() if name not in known}
    # A submitted job has those of the node that it is on, as others have theirs.
    if not submitted and (secrets := [name for name in _SECRETS if name in os.environ]):
        logger.warning(
            "%s: set here, and not handed on to the nodes, for Ray would write it into its logs; the nodes need their "
            "own: an instance profile, or the variables where `ray start` is called",
            ", ".join(secrets),
        )
    quieten_core_worker()
    try:
        ray.init(address=address, runtime_env={"env_vars": env_vars}, logging_level=logging.WARNING)
    except (AuthenticationError, ConnectionError) as error:  # the latter after 20 s of trying a wrong token
        raise InputError(
            f"the Ray cluster at {address} refuses us: copy its ~/.ray/auth_token to this machine (or set "
            f"RAY_AUTH_TOKEN) and set RAY_AUTH_MODE=token: {error}"
        ) from error


def _check_reachable(address: str) -> None:
    """Raise `InputError` unless something listens at `address`: Ray itself would wait for minutes, then end us."""
    url = urlsplit(address if "://" in address else f"//{address}")
    advice = "give RAY_ADDRESS as HOST:PORT of a running `ray start --head`, or unset it to run on this machine"
    if url.scheme.startswith("http") or url.hostname is None or url.port is None:
        raise InputError(f"RAY_ADDRESS {address}: no address of a Ray cluster (`ray job submit` takes http); {advice}")
    try:
        socket.create_connection((url.hostname, url.port), timeout=CONNECT_TIMEOUT).close()
    except OSError as error:
        if "RAY_ADDRESS" not in os.environ:
            advice = "`ray start` has left a note of it here, which `ray stop` takes away"
        raise InputError(f"no Ray cluster at {address} ({error}); {advice}") from error


def check_shared(
    *, output: str | None, inputs: Iterable[str], tracking: str | None, wanted: Mapping[str, float] = {}
) -> None:
    """Check that all nodes of the cluster can work together; a cluster of one node always can.

    Where the job wants more than the cluster has, nodes will have to join. What they see is not known yet.

    Args:
        output: The job's output, which every node writes to: an object store, or a folder that all of them see. None
            where only this process writes.
        inputs: What every node reads, likewise; local paths exist.
        tracking: The MLflow tracking URI: a server or a database, not a file of one node. None where only this process
            uses it.
        wanted: Resources that the job's workers want together, such as `{"GPU": 8}`.

    Raises `InputError` naming all that is missing.
    """
    has = ray.cluster_resources()
    lacking = [f"{amount:g} {name}s" for name, amount in wanted.items() if amount > has.get(name, 0)]
    if lacking and (problems := tracking_problems(tracking)):
        raise InputError(
            f"the job's workers want {' and '.join(lacking)}, more than the cluster has, so they wait for nodes to "
            f"join it: {'; '.join(problems)}; or let the workers want less"
        )
    if lacking:
        local = ", ".join(path for path in (output, *inputs) if path and storage.is_local(path))
        logger.warning("this waits for nodes with %s to join; they must see %s", " and ".join(lacking), local or "S3")
    working = [node["NodeID"] for node in live_nodes() if node["Resources"].get("CPU")]
    others = [node for node in working if node != this_node_id()]
    if not others:
        return
    problems = [*tracking_problems(tracking), *storage_problems(output, inputs, lambda path: _blind(path, others))]
    if problems:
        raise InputError(f"the job's workers run on {len(others)} more node(s): " + "; ".join(problems))


def tracking_problems(tracking: str | None) -> list[str]:
    """Return why several nodes cannot use a tracking URI, and what to do; nothing where they can, or need not."""
    if tracking is None:
        return []
    if tracking.startswith(("sqlite:", "file:")) or "://" not in tracking:
        return [f"they cannot all use {tracking}; set MLFLOW_TRACKING_URI to an MLflow server"]
    return []


def storage_problems(output: str | None, inputs: Iterable[str], blind: Callable[[str], int]) -> list[str]:
    """Return what keeps other nodes from sharing storage with this one, each with what to do.

    Args:
        output: As in `check_shared`.
        inputs: As in `check_shared`.
        blind: Tells how many of the other nodes do not see a file or folder of this node.
    """
    missing = {path: blind(path) for path in map(storage.absolute, filter(storage.is_local, inputs))}
    if output is not None and storage.is_local(output):
        marker = Path(storage.absolute(output)) / f".seen-{uuid.uuid4().hex}"
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        try:
            missing[output] = blind(str(marker))
        finally:
            marker.unlink()
    return [
        f"{nodes} of them do not see {path}; give an s3:// path or one on shared storage"
        for path, nodes in missing.items()
        if nodes
    ]


def _blind(file: str, nodes: list[str]) -> int:
    @ray.remote(num_cpus=0, max_retries=0)
    def exists(path: str) -> bool:
        folder = Path(path).parent
        return folder.is_dir() and path in map(str, folder.iterdir())  # listing it refreshes what NFS has cached

    pinned = [exists.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)) for node in nodes]
    return ray.get([task.remote(file) for task in pinned], timeout=PROBE_TIMEOUT).count(False)
