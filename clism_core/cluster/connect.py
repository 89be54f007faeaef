"""Connection to a Ray cluster, or start of a local one that only this machine can reach."""

import json
import logging
import os
import re
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import ray
from ray.exceptions import AuthenticationError

from clism_core.cluster.console import quieten_core_worker, quieten_ray
from clism_core.cluster.nodes import NoAnswerError, ask_nodes, node_names, this_node_id, working_nodes
from clism_core.cluster.private_files import check_address_file, local_session_folder, warn_if_token_is_shared
from clism_core.cluster.ray_internals import (
    address_file,
    before_connecting,
    cluster_address,
    find_address,
    listen_locally,
    own_sigterm_handler,
    private_token,
    quieten_token_setup,
)
from clism_core.cluster.waiting import log_waits
from clism_core.utils import storage
from clism_core.utils.credentials import check_variables
from clism_core.utils.environment import environment_variables
from clism_core.utils.errors import InputError
from clism_core.utils.home import home, tracking_uri

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT, PROBE_TIMEOUT = 10.0, 45.0  # seconds
WORKER_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    # Hide all GPUs from processes that have reserved none. Otherwise all CPU processes of a GPU node would use GPU 0.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    # For MLflow's requests to S3; `storage` has the same number of attempts.
    "AWS_RETRY_MODE": "adaptive",
    "AWS_MAX_ATTEMPTS": str(storage.MAX_ATTEMPTS),
}
"""Environment variables of all processes of a job."""
_FORWARDED = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_RETRY_MODE",
    "AWS_MAX_ATTEMPTS",
    "MLFLOW_S3_ENDPOINT_URL",
    "CLISM_TRACKING_TIMEOUT",
)
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""Variables that are not forwarded, because Ray would write them into its logs."""


def connect(*, num_cpus: int | None = None) -> None:
    """Connect this process to Ray, unless it is already connected.

    The cluster is the one at `RAY_ADDRESS` (for a submitted job, its own), or one that `ray start` runs on this
    machine. Without either, a local cluster is started, which ends with the process and listens on 127.0.0.1 only.

    Args:
        num_cpus: Number of CPUs of a local cluster; all CPUs of the machine by default.

    While the job waits for resources that others use, a log line says so every half minute.

    Raises `InputError` if the cluster cannot be reached, rejects the token, belongs to another user, or runs other
    versions of Ray or Python.
    """
    if ray.is_initialized():
        return
    for name, value in WORKER_ENVIRONMENT.items():  # processes of a local cluster inherit these
        os.environ.setdefault(name, value)
    quieten_ray()
    check_address_file(address_file())
    address = find_address()
    with own_sigterm_handler():
        if address in (None, "local"):
            _start_local(num_cpus)
        else:
            _join(address)
    warn_if_token_is_shared()
    log_waits()


def _start_local(num_cpus: int | None) -> None:
    listen_locally()
    quieten_token_setup()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Ray's helpers look for their own cluster, and raise an error if the machine has another one besides.
    own_address = {"RAY_GCS_SERVER_PORT": str(port), "RAY_ADDRESS": f"127.0.0.1:{port}"}
    # Ray starts its processes and connects to them in one call; only the connection is to be quiet.
    with environment_variables(own_address), private_token(), before_connecting(quieten_core_worker):
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            logging_level=logging.WARNING,
            _temp_dir=local_session_folder(),
        )


def _join(address: str) -> None:
    _check_reachable(address)
    # The workers already have the variables that a job was submitted with, and Ray rejects duplicates.
    submitted = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    known = (submitted.get("runtime_env") or {}).get("env_vars") or {}
    ours = {**WORKER_ENVIRONMENT, "CLISM_HOME": str(home()), "MLFLOW_TRACKING_URI": tracking_uri()}
    check_variables(_FORWARDED)
    ours |= {name: os.environ[name] for name in _FORWARDED if name in os.environ}
    if "://" not in address:  # otherwise a proxy runs the workers; Ray's helpers are to find this cluster, not another
        ours["RAY_ADDRESS"] = cluster_address(address)
    env_vars = {name: value for name, value in ours.items() if name not in known}
    # A submitted job runs with the secrets of its node; the other nodes have their own.
    if not submitted and (secrets := [name for name in _SECRETS if name in os.environ]):
        logger.warning(
            "%s: set on this machine but not forwarded to the nodes, because Ray would write it into its logs; give "
            "the nodes their own credentials: an instance profile, or these variables where `ray start` is called",
            ", ".join(secrets),
        )
    quieten_core_worker()
    try:
        ray.init(address=address, runtime_env={"env_vars": env_vars}, logging_level=logging.WARNING)
    except (AuthenticationError, ConnectionError, RuntimeError) as error:
        if mismatch := _version_mismatch(error):
            raise InputError(f"the Ray cluster at {address} runs {mismatch}") from error
        if not isinstance(error, AuthenticationError | ConnectionError):
            raise
        raise InputError(  # a ConnectionError comes after 20 s of retries with a wrong token
            f"the Ray cluster at {address} rejects the connection: copy its ~/.ray/auth_token to this machine (or set "
            f"RAY_AUTH_TOKEN) and set RAY_AUTH_MODE=token: {error}"
        ) from error


def _version_mismatch(error: BaseException | None) -> str:
    """Return the versions of the cluster and of this process if they are why Ray refuses to connect; else nothing."""
    while error is not None and "Version mismatch" not in str(error):
        error = error.__cause__
    versions = re.findall(r"(Ray|Python): (\S+)", str(error or ""))
    if len(versions) != 4:
        return ""
    cluster, own = (" with ".join(map(" ".join, pair)) for pair in (versions[:2], versions[2:]))
    return f"{cluster}, but this process {own}: install the cluster's versions here, or restart it with these"


def _check_reachable(address: str) -> None:
    """Raise `InputError` unless something listens at `address`: Ray would wait for minutes, then exit the process."""
    url = urlsplit(address if "://" in address else f"//{address}")
    advice = "give RAY_ADDRESS as HOST:PORT of a running `ray start --head`, or unset it to run on this machine"
    if url.scheme.startswith("http") or url.hostname is None or url.port is None:
        raise InputError(
            f"RAY_ADDRESS {address}: not the address of a Ray cluster (http:// is for `ray job submit`); {advice}"
        )
    try:
        socket.create_connection((url.hostname, url.port), timeout=CONNECT_TIMEOUT).close()
    except OSError as error:
        if "RAY_ADDRESS" not in os.environ:
            advice = "the address comes from an earlier `ray start` on this machine; `ray stop` removes it"
        raise InputError(f"no Ray cluster at {address} ({error}); {advice}") from error


def check_shared(
    *, output: str | None, inputs: Iterable[str], tracking: str | None, wanted: Mapping[str, float] = {}
) -> None:
    """Check that all nodes of the cluster share storage and tracking; a cluster of one node always does.

    If the job needs more resources than the cluster has, it waits for nodes to join, which cannot be checked yet.

    Args:
        output: Output of the job, to which every node writes: in an object store, or a folder that all nodes see. None
            if only this process writes.
        inputs: Paths that every node reads, with the same requirement; local paths exist.
        tracking: MLflow tracking URI: a server or a database, not a file of one node. None if only this process uses
            it.
        wanted: Resources that the job's workers need in total, such as `{"GPU": 8}`.

    Raises `InputError` that lists all problems.
    """
    inputs = list(inputs)
    if problem := joining_problem(wanted, tracking=tracking, paths=[output, *inputs]):
        raise InputError(problem)
    others = [node for node in working_nodes() if node != this_node_id()]
    if not others:
        return
    problems = [
        *tracking_problems(tracking),
        *storage_problems(output, inputs, lambda path: _count_nodes_without(path, others)),
    ]
    if problems:
        raise InputError(f"the job's workers also run on {len(others)} other node(s): " + "; ".join(problems))


def joining_problem(wanted: Mapping[str, float], *, tracking: str | None, paths: Iterable[str | None]) -> str:
    """Return why nodes could not join that the job needs besides those of the cluster; empty if they can or need not.

    If they can, a warning says what the job waits for, and which of `paths` the nodes need.
    """
    available = ray.cluster_resources()
    missing = [f"{amount:g} {name}s" for name, amount in wanted.items() if amount > available.get(name, 0)]
    if not missing:
        return ""
    if problems := tracking_problems(tracking):
        return (
            f"the job's workers need {' and '.join(missing)}, more than the cluster has, so that nodes would have to "
            f"join: {'; '.join(problems)}; or request fewer resources for the workers"
        )
    local = ", ".join(path for path in paths if path and storage.is_local(path))
    logger.warning("waiting for nodes with %s to join; they need access to %s", " and ".join(missing), local or "S3")
    return ""


def tracking_problems(tracking: str | None) -> list[str]:
    """Return why several nodes cannot share a tracking URI, with the remedy; empty if they can or need not."""
    if tracking is None:
        return []
    if tracking.startswith(("sqlite:", "file:")) or "://" not in tracking:
        return [f"several nodes cannot share {tracking}; set MLFLOW_TRACKING_URI to an MLflow server"]
    return []


def storage_problems(output: str | None, inputs: Iterable[str], count_nodes_without: Callable[[str], int]) -> list[str]:
    """Return the paths that other nodes do not share with this one, each with the remedy.

    Args:
        output: As in `check_shared`.
        inputs: As in `check_shared`.
        count_nodes_without: Returns how many of the other nodes do not see a file or folder of this node.
    """
    missing = {path: count_nodes_without(path) for path in map(storage.absolute, filter(storage.is_local, inputs))}
    if output is not None and storage.is_local(output):
        with marker(output) as file:
            missing[output] = count_nodes_without(file)
    return [
        f"{nodes} of the other nodes do not see {path}; give an s3:// path or a path on shared storage"
        for path, nodes in missing.items()
        if nodes
    ]


@contextmanager
def marker(output: str) -> Iterator[str]:
    """Create a file in a local output folder by which other nodes show in the block that they see the same folder."""
    file = Path(storage.absolute(output)) / f".seen-{uuid.uuid4().hex}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    try:
        yield str(file)
    finally:
        file.unlink()


def is_seen(path: str) -> bool:
    """Return whether this node sees a local file or folder now; listing its folder refreshes the cache of NFS."""
    folder = Path(path).parent
    return folder.is_dir() and path in map(str, folder.iterdir())


def _count_nodes_without(path: str, nodes: list[str]) -> int:
    answers = ask_nodes(partial(is_seen, path), nodes, timeout=PROBE_TIMEOUT)
    silent = {node: str(answer) for node, answer in answers.items() if isinstance(answer, NoAnswerError)}
    if silent:
        names = node_names()
        raise InputError("; ".join(f"node {names.get(node, node)} {reason}" for node, reason in silent.items()))
    return list(answers.values()).count(False)
