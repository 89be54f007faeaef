"""Examination of one node, which runs there."""

import os
import platform
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil
import torch

from clism_core.cluster.connect import is_seen
from clism_core.model.resolve import hub_commit
from clism_core.tracking.check import check_tracking
from clism_core.training.preflight.needs import Needs, installed_packages
from clism_core.utils import storage
from clism_core.utils.digests import description_digest
from clism_core.utils.environment import environment_variables
from clism_core.utils.errors import InputError, failure_message

_QUICK = {"AWS_MAX_ATTEMPTS": "3"}
"""Later requests to an object store are repeated for minutes."""
_CONTENT = b"written by the check of this node"
_SHARE = "give an s3:// path or a path on shared storage"


class Gpu(NamedTuple):
    """A GPU that torch sees."""

    name: str
    capability: tuple[int, int]
    """Compute capability, such as (7, 0) of a V100."""
    memory: int
    """Bytes in total."""


@dataclass(frozen=True)
class NodeReport:
    """What `examine` has found on a node."""

    packages: dict[str, str] = field(default_factory=dict)
    """As `Needs.packages`, with empty strings for packages that are missing."""
    gpus: tuple[Gpu, ...] = ()
    gpu_error: str = ""
    """Why torch cannot use the node's GPUs; empty if it can or if there are none."""
    architectures: tuple[str, ...] = ()
    """GPU architectures in the node's build of torch, such as sm_70; empty for builds that need no such list."""
    problems: tuple[str, ...] = ()
    """What the node cannot read, write or reach, one sentence each."""
    free_memory: int = 0
    """Bytes available to new processes."""
    free_disk: dict[str, int] = field(default_factory=dict)
    """Free bytes of the disks of the temporary folder and, if it is local, of the output."""
    name: str = field(default_factory=platform.node)


def examine(needs: Needs) -> NodeReport:
    """Examine this node; takes seconds, and writes and deletes one small file in the output."""
    gpus, gpu_error = _gpus() if any(load.use_gpu for load in needs.loads) else ((), "")
    with environment_variables(_QUICK):
        problems = tuple(access_problems(needs))
    return NodeReport(
        packages=installed_packages() if needs.packages else {},
        gpus=gpus,
        gpu_error=gpu_error,
        architectures=tuple(torch.cuda.get_arch_list()) if torch.version.cuda else (),
        problems=problems,
        free_memory=psutil.virtual_memory().available,
        free_disk=_free_disk(needs),
    )


def examine_with_gpus(needs: Needs) -> NodeReport:
    """Examine this node, including the GPUs that Ray hides from a task that has reserved none.

    To be called in a process that ends afterwards: it keeps seeing the GPUs.
    """
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    return examine(needs)


def access_problems(needs: Needs) -> Iterator[str]:
    """Yield what this node cannot read, write or reach, one sentence each."""
    for path in needs.paths:
        if not is_seen(path):
            yield f"{path} is not there; {_SHARE}"
    for folder, digest in needs.folders.items():
        if problem := _folder_problem(folder, digest):
            yield problem
    for name, commit in needs.hub_models.items():
        if problem := _hub_problem(name, commit):
            yield problem
    if needs.output and (problem := _output_problem(needs.output, needs.marker)):
        yield problem
    if needs.is_tracked:
        try:
            check_tracking()
        except InputError as error:
            yield str(error)


def _folder_problem(folder: str, digest: str) -> str:
    try:
        if not storage.exists(folder):
            return f"{folder} is not there; {_SHARE}"
        same = description_digest(folder) == digest
    except (OSError, InputError) as error:
        return f"{folder} cannot be read: {failure_message(error)}"
    return "" if same else f"{folder} has other files than on the driver's node; {_SHARE}, or copy it again"


def _hub_problem(name: str, commit: str) -> str:
    try:
        found = hub_commit(name)
    except InputError as error:
        return failure_message(error)
    if found == commit:
        return ""
    return (
        f"model {name}: its version is {found}, the driver's is {commit}; delete it from the older one's cache of the "
        "hub, or give a folder on shared storage"
    )


def _output_problem(output: str, marker: str | None) -> str:
    if marker is not None and not is_seen(marker):
        return f"--output {output}: not there, or not the driver's folder; {_SHARE}"
    return write_problem(output)


def write_problem(output: str) -> str:
    """Return why a file cannot be written, read and deleted in the folder `output`; empty if it can."""
    # Named like an unfinished file, which the next start deletes if this process is killed.
    file = storage.join(output, f".check.{uuid.uuid4().hex}")
    try:
        storage.write_bytes(file, _CONTENT)
        content = storage.read_bytes(file)
        storage.delete(file)
    except (OSError, InputError) as error:
        reason = getattr(error, "strerror", None) or failure_message(error)
        return f"--output {output}: cannot be written: {reason}; give another one, or make it writable"
    return "" if content == _CONTENT else f"--output {output}: a file that was written there reads differently"


def _gpus() -> tuple[tuple[Gpu, ...], str]:
    if torch.version.cuda is None and torch.version.hip is None:
        return (), f"torch {torch.__version__} is a build without CUDA"
    if not torch.cuda.is_available():
        return (), f"torch {torch.__version__} finds no GPU, or no driver that is new enough"
    try:
        found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    except RuntimeError as error:
        return (), f"torch {torch.__version__}: {failure_message(error)}"
    return tuple(Gpu(each.name, (each.major, each.minor), each.total_memory) for each in found), ""


def _free_disk(needs: Needs) -> dict[str, int]:
    folders = [tempfile.gettempdir()]
    if needs.output and storage.is_local(needs.output):
        folders.append(storage.absolute(needs.output))
    return {folder: psutil.disk_usage(folder).free for folder in folders if Path(folder).is_dir()}
