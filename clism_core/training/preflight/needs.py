"""What a training needs of the nodes on which it runs, as the driver knows it."""

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import clism_core
from clism_core.model.precision import PrecisionName
from clism_core.training.config import RunSettings
from clism_core.training.resume import RUN_FILE
from clism_core.utils.digests import tree_digest
from clism_core.utils.storage import is_local, join

PACKAGES = ("ray", "torch", "transformers", "tokenizers", "pyarrow", "mlflow", "numpy")
"""Packages whose versions affect results or what processes send to each other."""
OWN = "clism_core"


@dataclass(frozen=True)
class Load:
    """Workers of one training."""

    precision: PrecisionName
    use_gpu: bool
    workers: int = 1
    """Greatest number of workers."""
    cpus: float = 1.0
    """CPUs that Ray reserves per worker."""
    gpus: float = 1.0
    """GPUs that Ray reserves per worker, if it trains on one."""
    parameters: int = 0
    """Number of parameters of the encoder; 0 if unknown."""


@dataclass(frozen=True)
class Needs:
    """What every node needs."""

    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of the driver's packages, from `installed_packages`; empty if they are not compared."""
    paths: tuple[str, ...] = ()
    """Local files and folders that the node has to see."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """Folders that the node reads, local or in an object store, with the driver's `description_digest` of them."""
    hub_models: Mapping[str, str] = field(default_factory=dict)
    """Hub ids of models that the node loads, with the commit that the driver has found."""
    output: str | None = None
    """Folder that the node writes to; None if that is not checked."""
    marker: str | None = None
    """File in `output` by which the node shows that it is the driver's folder; None in an object store."""
    is_tracked: bool = False
    """Whether the node sends metrics to the tracking store."""
    loads: tuple[Load, ...] = ()


def installed_packages() -> dict[str, str]:
    """Return the versions of Python and of the packages here, and a digest of this project's source.

    Builds of one version count as equal: a head without a GPU may have another build of torch.
    """
    versions = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        found = next((each.version for each in importlib.metadata.distributions(name=name)), "")
        versions[name] = found.partition("+")[0]
    return {**versions, OWN: _source_digest()}


@lru_cache(maxsize=1)
def _source_digest() -> str:
    return tree_digest(str(Path(clism_core.__file__).parent), pattern="*.py")[:12]


def needs_of_workers(settings: RunSettings, *, use_gpu: bool) -> Needs:
    """Return what a node needs on which workers of a run start: it may have joined after the driver's checks.

    Stores and servers that may be away for a while are left out, because workers also start after failures.
    """
    output = settings.output if is_local(settings.output) else None
    is_path = is_local(settings.model) and Path(settings.model).is_absolute()
    return Needs(
        packages={} if settings.check is False else installed_packages(),
        paths=(settings.model,) if is_path else (),
        output=output,
        marker=join(output, RUN_FILE) if output else None,
        loads=() if settings.check is False else (Load(settings.precision, use_gpu),),
    )
