"""Settings shared by all kinds of training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, Protocol

import yaml
from annotated_types import Ge, Gt, Le

from clism_core.model.precision import PrecisionName
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.storage import damaged, join, read_bytes

CheckMode = bool | Literal["only"] | None
"""Whether a job checks all nodes before it trains; `only`: it checks them and ends; None: if there are several."""


@dataclass
class ElasticNumber:
    """Number of workers that follows the cluster."""

    min: Annotated[int, Ge(1)]
    """Number of workers without which training waits."""
    max: Annotated[int, Ge(1)]
    """Number of workers that is not exceeded."""


@dataclass
class WorkersConfig:
    """Ray Train workers."""

    number: Annotated[int | ElasticNumber, Ge(1)] = 1
    """Number of workers; with GPUs, each has its own. The result does not depend on it. `{min: 2, max: 8}` trains on as
    many as the cluster has room for: if nodes leave or join, training restarts from its last checkpoint on the workers
    that there are, with the same global batches."""
    use_gpu: bool | None = None
    """Whether workers train on GPUs, one each; null: if the cluster has enough of them now. Set true on autoscaling
    clusters, whose GPU nodes start on demand."""
    cpus: Annotated[float, Ge(0)] = 0.5
    """CPUs that Ray reserves per worker. Leave some for the data tasks that run beside the workers. It does not limit
    the threads of a worker."""
    gpus: Annotated[float, Gt(0), Le(1)] = 1.0
    """GPUs that Ray reserves per worker that trains on one. Below 1, several runs of one worker each share a GPU, such
    as the trials of a sweep with a small model; the GPU's memory must suffice for all of them."""
    threads: Annotated[int | None, Ge(1)] = None
    """Threads per worker on CPUs; null: the cores of its node, divided among the run's workers there. If concurrent
    runs use more threads than there are cores, all of them become many times slower."""
    hang_timeout: Annotated[float, Gt(0), Le(86_400)] = 600.0
    """Seconds after which a worker whose process does not answer is replaced, as a lost one is. A worker that answers,
    but for which the others wait in a collective operation, is replaced after three times as long: at the start, they
    wait while one worker of a node downloads the checkpoint."""
    max_failures: Annotated[int, Ge(-1)] = 3
    """Maximum number of restarts after failures without a new checkpoint in between, such as losses of workers or
    nodes; -1: no limit."""
    max_preemption_failures: Annotated[int, Ge(-1)] = -1
    """Maximum number of restarts after preemptions of nodes that were announced, over the whole run; -1: no limit."""

    @property
    def minimum(self) -> int:
        """Number of workers with which training starts at the latest."""
        return self.number if isinstance(self.number, int) else self.number.min

    @property
    def maximum(self) -> int:
        """Greatest number of workers."""
        return self.number if isinstance(self.number, int) else self.number.max

    def resources(self) -> dict[str, float]:
        """Return the resources without which training waits; GPUs only if `use_gpu` is true."""
        return {"CPU": self.minimum * self.cpus} | ({"GPU": self.minimum * self.gpus} if self.use_gpu else {})


@dataclass(frozen=True)
class RunSettings:
    """Settings of a training run, independent of its recipe; the fields have the names of the jobs' configurations."""

    model: str
    output: str
    seed: int
    global_batch_size: int
    micro_batch_size: int | None
    precision: PrecisionName
    export: Literal["last", "best"]
    optimizer: OptimizerConfig
    loop: LoopConfig
    workers: WorkersConfig
    check: CheckMode = None

    @classmethod
    def from_config(cls, config: object, **others: Any) -> RunSettings:
        """Return the settings of a job's configuration; `others` are fields that it lacks or that differ from it."""
        taken = {entry.name: getattr(config, entry.name) for entry in fields(cls) if entry.name not in others}
        return cls(**taken, **others)


CONFIG_FILE = "config.yaml"
"""File with the resolved configuration, in a run's output folder and in its model."""


def dump_config(config: Any) -> str:
    """Return the resolved configuration of a job, a dataclass, as YAML for `--config`."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)


def read_config(output: str) -> dict[str, Any]:
    """Return the resolved configuration in the folder `output`, as nested dictionaries.

    Raises:
        FileNotFoundError: if there is none.
        InputError: if it is damaged.
    """
    file = join(output, CONFIG_FILE)
    try:
        content = yaml.safe_load(read_bytes(file))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise damaged(file, " ".join(str(error).split())) from error
    if not isinstance(content, dict):
        raise damaged(file, "empty" if content is None else "holds no fields")
    return content


class _Config(Protocol):
    global_batch_size: int
    optimizer: OptimizerConfig
    workers: WorkersConfig


def run_problems(config: _Config) -> Iterator[str]:
    """Yield a message for each conflict between the fields that the configurations of all trainings share."""
    workers, size, warmup = config.workers, config.global_batch_size, config.optimizer.warmup_steps
    is_elastic = not isinstance(workers.number, int)
    problems = {
        f"--global_batch_size {size}: must be a multiple of --workers.number ({workers.number})": not is_elastic
        and workers.maximum >= 1
        and size % workers.maximum != 0,
        f"--global_batch_size {size}: must be at least --workers.number.max ({workers.maximum})": is_elastic
        and size < workers.maximum,
        f"--workers.number: its min, {workers.minimum}, is above its max, {workers.maximum}": (
            workers.minimum > workers.maximum
        ),
        f"--optimizer.warmup_steps {warmup}: must be a whole number of steps, or a fraction of all steps below 1": (
            warmup >= 1 and warmup % 1 != 0
        ),
        f"--workers.gpus {workers.gpus}: must be 1 if there is more than one worker": workers.maximum > 1
        and workers.gpus < 1,
    }
    yield from (problem for problem, occurs in problems.items() if occurs)
