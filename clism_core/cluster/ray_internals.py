"""All uses of Ray's private modules, where Ray offers no public interface."""

import logging
import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray._private import ray_constants, ray_logging, services, utils, worker
from ray._private.authentication import authentication_token_setup
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.train import PreemptionInfo
from ray.train.v2._internal import constants as train_constants
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError, WorkerHealthCheckTimeoutError
from ray.train.v2._internal.execution.callback import WorkerGroupCallback
from ray.train.v2._internal.execution.context import get_train_context

CHECKPOINT_SNAPSHOT: str = train_constants.CHECKPOINT_MANAGER_SNAPSHOT_FILENAME
"""File beside the checkpoints of a run from which Ray Train would restore its record of them."""
DEFAULT_NOTICE: float = train_constants.DEFAULT_PREEMPTION_DEADLINE_S
"""Seconds after which Ray Train restarts the workers if a node is to be preempted at a time that is not announced."""

HEALTH_CHECK_TIMEOUT: str = train_constants.WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR
"""Environment variable with the seconds after which Ray Train replaces a worker that does not answer."""


def find_address() -> str | None:
    """Return the address of the cluster in `RAY_ADDRESS`, or of one that `ray start` runs on this machine; else None.

    `ray.init` finds it, too, but would start a local cluster without the settings below if there is none.
    """
    address: str | None = services.get_ray_address_from_environment(None, None)  # type: ignore[arg-type]
    return address


def cluster_address(address: str) -> str:
    """Return the address at which all nodes reach the cluster that this machine reaches at `address`."""
    return str(services.canonicalize_bootstrap_address(address))


def address_file() -> Path:
    """Return the file with the address of the last `ray start`, which `find_address` uses without `RAY_ADDRESS`."""
    return Path(utils.get_ray_address_file(None))


def listen_locally() -> None:
    """Make the processes of a local cluster listen on 127.0.0.1 only.

    They listen on all interfaces unless multi-node clusters are disabled, as Ray does on platforms that do not support
    them. `_node_ip_address="127.0.0.1"` would be replaced by the machine's address.
    """
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"  # for the processes that Ray starts
    ray_constants.ENABLE_RAY_CLUSTER = False  # for this process, which has already read the variable


def quieten_token_setup() -> None:
    """Suppress the warning that Ray creates a token if there is none, which rejects other users."""
    authentication_token_setup.logger.setLevel(logging.ERROR)


@contextmanager
def private_token() -> Iterator[None]:
    """Make a token that `ray.init` creates in this block readable for this user only; otherwise the umask decides."""
    save = authentication_token_setup.generate_and_save_token

    def save_privately() -> None:
        before = os.umask(0o077)
        try:
            save()
        finally:
            os.umask(before)

    authentication_token_setup.generate_and_save_token = save_privately
    try:
        yield
    finally:
        authentication_token_setup.generate_and_save_token = save


@contextmanager
def own_sigterm_handler() -> Iterator[None]:
    """Keep this process's handler of SIGTERM, if it has one, when `ray.init` in this block would set its own.

    Ray's handlers exit with the number of the signal as status, or print a stack and abort.
    """
    own, set_handler = signal.getsignal(signal.SIGTERM), utils.set_sigterm_handler
    if not callable(own):
        yield
        return
    utils.set_sigterm_handler = lambda _: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = set_handler
        signal.signal(signal.SIGTERM, own)  # Ray's core has put its own before it, which aborts after three seconds


@contextmanager
def before_connecting(action: Callable[[], None]) -> Iterator[None]:
    """Call `action` when `ray.init` in this block has started its processes and is about to connect to them."""
    connect = worker.connect

    def act_and_connect(*arguments: Any, **options: Any) -> Any:
        action()
        return connect(*arguments, **options)

    worker.connect = act_and_connect
    try:
        yield
    finally:
        worker.connect = connect


def skip_log_lines(patterns: Iterable[str]) -> None:
    """Hide log lines of workers that match one of the regular expressions `patterns`.

    The variable RAY_DEDUP_LOGS_SKIP_REGEX, which does so, is read when Ray is imported.
    """
    skipped = re.compile("|".join(patterns))
    for lines in (ray_logging.stdout_deduplicator, ray_logging.stderr_deduplicator):
        lines.skip_re = skipped


def worker_loss(error: Exception) -> Exception | None:
    """Return why a worker of Ray Train no longer answers; None for an error that its function has raised."""
    if isinstance(error, WorkerHealthCheckFailedError):
        return error.health_check_failure
    lost = isinstance(error, RayActorError | OutOfMemoryError) or is_hang(error)
    return error if lost else None


def is_hang(error: Exception) -> bool:
    """Return whether an error of Ray Train says that the process of a worker does not answer."""
    return isinstance(error, WorkerHealthCheckTimeoutError)


def preemption_notice() -> PreemptionInfo | None:
    """Return the nodes of this training run that are about to be preempted, as this worker knows them; None if none is.

    `ray.train.get_preemption_info` is a barrier of all workers, too slow for every step.
    """
    notice: PreemptionInfo | None = get_train_context().preemption_context.preemption_info
    return notice


class WorkersStart(WorkerGroupCallback):
    """Callback in Ray Train's controller that calls `action` before it starts workers, first or again."""

    def __init__(self, action: Callable[[], None]):
        self._action = action

    def before_worker_group_start(self, worker_group_context: object) -> None:  # noqa: ARG002
        """Call the action."""
        self._action()
