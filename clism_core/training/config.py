"""The settings that every training has, whatever is trained."""

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


@dataclass
class WorkersConfig:
    """The Ray Train workers."""

    number: Annotated[int, Ge(1)] = 1
    """Workers; with GPUs, one GPU each. The training does not depend on it."""
    use_gpu: bool | None = None
    """Whether workers train on GPUs, one each; null: if the cluster has enough of them now. Give true where GPU nodes
    come when they are wanted."""
    cpus: Annotated[float, Ge(0)] = 0.5
    """CPUs that Ray reserves for a worker. Leave some for the data tasks beside the workers; it does not bound the
    threads of a worker."""
    gpus: Annotated[float, Gt(0), Le(1)] = 1.0
    """GPUs that Ray reserves for a worker that trains on one. Below 1, several runs of one worker each share a GPU, as
    the trials of a sweep do with small models; its memory must be enough for all of them."""
    threads: Annotated[int | None, Ge(1)] = None
    """Threads that a worker on CPUs computes with; null: the cores of its node, shared among the run's workers there.
    More than there are cores for, as of runs side by side, make all of them many times slower."""
    max_failures: int = 3
    """How often in all the run starts again from its last checkpoint when a worker or node is lost. On spot instances,
    give as many as nodes may be taken away."""

    def resources(self) -> dict[str, float]:
        """Return what Ray is to reserve for all of them; GPUs only where they are asked for."""
        return {"CPU": self.number * self.cpus} | ({"GPU": self.number * self.gpus} if self.use_gpu else {})


@dataclass(frozen=True)
class RunSettings:
    """What every training has, whatever its recipe; the fields are those of the jobs' configurations."""

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

    @classmethod
    def from_config(cls, config: object, **others: Any) -> RunSettings:
        """Return the settings of a job's configuration; `others` are those that it has not, or not like this."""
        given = {entry.name: getattr(config, entry.name) for entry in fields(cls) if entry.name not in others}
        return cls(**given, **others)


CONFIG_FILE = "config.yaml"
"""Where a run's output folder and its model keep the resolved configuration."""


def dump_config(config: Any) -> str:
    """Return the resolved configuration of a job, a dataclass, as YAML, which `--config` takes."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)


class _Config(Protocol):
    global_batch_size: int
    optimizer: OptimizerConfig
    workers: WorkersConfig


def run_problems(config: _Config) -> Iterator[str]:
    """Yield the conflicts between fields that the configurations of all trainings have, one sentence each."""
    number, size, warmup = config.workers.number, config.global_batch_size, config.optimizer.warmup_steps
    problems = {
        f"--global_batch_size {size}: must be a multiple of --workers.number ({number})": number >= 1
        and size % number != 0,
        f"--optimizer.warmup_steps {warmup}: must be a whole number, or a share of all steps below 1": (
            warmup >= 1 and warmup % 1 != 0
        ),
        f"--workers.gpus {config.workers.gpus}: must be 1 if there is more than one worker": number > 1
        and config.workers.gpus < 1,
    }
    yield from (problem for problem, is_so in problems.items() if is_so)
