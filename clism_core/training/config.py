"""The settings that every training has, whatever is trained."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, TypeVar, cast

import yaml

from clism_core.model.precision import PrecisionName
from clism_core.training.loop import CadenceConfig, LoopConfig
from clism_core.training.optimizer import OptimizerConfig

ConfigT = TypeVar("ConfigT")


@dataclass
class WorkersConfig:
    """The Ray Train workers."""

    number: int = 1
    """Workers; with GPUs, one GPU each. The training does not depend on it."""
    use_gpu: bool | None = None
    """Whether workers train on GPUs, one each; null: if the cluster has enough of them now. Give true where GPU nodes
    come when they are wanted."""
    cpus: float = 0.5
    """CPUs that Ray reserves for a worker. Leave some for the data tasks beside the workers; it does not bound the
    threads of a worker."""
    gpus: float = 1.0
    """GPUs that Ray reserves for a worker that trains on one. Below 1, several runs of one worker each share a GPU, as
    the trials of a sweep do with small models; its memory must be enough for all of them."""
    threads: int | None = None
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
    def of(cls, config: object, **others: Any) -> "RunSettings":
        """Return the settings of a job's configuration; `others` are those that it has not, or not like this."""
        given = {entry.name: getattr(config, entry.name) for entry in fields(cls) if entry.name not in others}
        return cls(**given, **others)


CONFIG_FILE = "config.yaml"
"""Where a run's output folder and its model keep the resolved configuration."""


def dump_config(config: Any) -> str:
    """Return the resolved configuration of a job, a dataclass, as YAML, which `--config` takes."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)


def plain_config(config: Any, kind: type[ConfigT]) -> ConfigT:
    """Return the configuration as one of `kind`, without what a job's subclass of it adds: workers cannot import the
    job's module."""
    return kind(**{entry.name: getattr(config, entry.name) for entry in fields(cast(Any, kind))})


class _Config(Protocol):
    seed: int
    global_batch_size: int
    micro_batch_size: int | None
    length_window: int
    optimizer: OptimizerConfig
    workers: WorkersConfig

    @property
    def loop(self) -> CadenceConfig: ...


def run_problems(config: _Config) -> Iterator[str]:
    """Yield what is wrong with the fields that the configurations of all trainings have, one sentence each."""
    number, size = config.workers.number, config.global_batch_size
    optimizer, loop = config.optimizer, config.loop
    problems = {
        f"--workers.number {number}: must be at least 1": number < 1,
        f"--global_batch_size {size}: must be a multiple of --workers.number ({number})": size < 1
        or size % max(1, number) != 0,
        "--micro_batch_size: must be at least 1": config.micro_batch_size is not None and config.micro_batch_size < 1,
        "--length_window: must be at least 1": config.length_window < 1,
        f"--seed {config.seed}: must not be negative": config.seed < 0,
        "--optimizer.learning_rate: must be above 0": optimizer.learning_rate <= 0,
        "--optimizer.head_learning_rate: must be above 0": optimizer.head_learning_rate is not None
        and optimizer.head_learning_rate <= 0,
        "--optimizer.max_gradient_norm: must be above 0": optimizer.max_gradient_norm <= 0,
        f"--optimizer.warmup_steps {optimizer.warmup_steps}: must be a whole number, or a share of all steps below 1": (
            optimizer.warmup_steps >= 1 and optimizer.warmup_steps % 1 != 0
        ),
        "--workers.cpus: must not be negative": config.workers.cpus < 0,
        "--workers.gpus: must be 1, or above 0 and below 1 where there is one worker": not 0 < config.workers.gpus <= 1
        or (config.workers.gpus < 1 and number > 1),
        "--workers.threads: must be at least 1": config.workers.threads is not None and config.workers.threads < 1,
        "--loop: evaluate_every, checkpoint_every and log_every must be at least 1": min(
            loop.evaluate_every, loop.checkpoint_every, loop.log_every
        )
        < 1,
        "--loop.evaluate_at: steps are counted from 1": min(loop.evaluate_at, default=1) < 1,
    }
    yield from (problem for problem, is_so in problems.items() if is_so)
