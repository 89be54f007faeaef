"""Configuration of a sweep, and checks of it and its search space."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Ge
from ray.tune.search.sample import Categorical, Function

from clism_core.experiments.trainings import TRAININGS
from clism_core.experiments.tuning.overrides import with_fields
from clism_core.experiments.tuning.space import SEARCHERS, SchedulerName, Space, choices
from clism_core.model.resolve import pin_version
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Output, bound_problems

DRAWS = 20
"""Number of configurations drawn from a search space and checked by its job before anything starts."""
SWEPT = ("output", "register")
"""Fields that the sweep sets in each trial."""


@dataclass
class TuneConfig:
    """A sweep: Ray Tune over a search space."""

    space: str
    """Module of tune_spaces, such as temperature or loss_weights, or a Python file that defines SPACE."""
    output: Annotated[str, Output()] = ""
    """Folder for trials, tables, plots and the best preset; may be on s3://. The same folder resumes a stopped sweep.
    Empty: a new folder below CLISM_HOME/outputs."""
    trials: Annotated[int | None, Ge(1)] = None
    """Number of trials; null: the default of the space. A grid is always tried completely."""
    searcher: str | None = None
    """grid, random, or the name of a Ray Tune searcher, such as optuna or hyperopt; null: the default of the space."""
    scheduler: SchedulerName | None = None
    """Scheduler for early stopping: asha, median_stopping_rule, or fifo (none); null: the default of the space."""
    max_concurrent: Annotated[int | None, Ge(1)] = None
    """Maximum number of concurrent trials; null: as many as fit in the cluster now. Set it on autoscaling clusters. A
    resumed sweep runs at most as many as it was started with."""
    retry_failed: bool = False
    """Whether a resumed sweep retries its failed trials, from their last checkpoints."""
    seed: Annotated[int, Ge(0)] = 0
    """Seed of the search; trainings have their own."""
    register: bool = True
    """Whether to register the best model in the MLflow registry."""
    pretrain: PretrainConfig = field(default_factory=lambda: PretrainConfig(model="", data=""))
    """Settings shared by all pre-trainings: a preset, `--pretrain jobs/configs/short.yaml`, and single fields,
    `--pretrain.data prepared`."""
    finetune: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(task="mrc", model="", train="", dev=""))
    """Settings shared by all fine-tunings, given in the same way."""

    def bases(self, space: Space) -> dict[str, Any]:
        """Return the base configurations of the trials of `space`, by job name."""
        names = TRAININGS if space.job == "joint" else (space.job,)
        return {name: getattr(self, name) for name in names}

    def resolved(self, space: Space) -> Self:
        """Return the sweep with the defaults of the space for fields that are not set."""
        return dataclasses.replace(
            self,
            trials=space.budget.trials if self.trials is None else self.trials,
            searcher=self.searcher or space.searcher,
            scheduler=self.scheduler or space.scheduler,
        )


def with_pinned_models(config: TuneConfig, space: Space) -> TuneConfig:
    """Return the sweep with pinned versions instead of model aliases, which may move to another version."""
    bases = config.bases(space)
    pinned = {job: dataclasses.replace(base, model=pin_version(base.model)) for job, base in bases.items()}
    return dataclasses.replace(config, **pinned)


def trial_configs(bases: Mapping[str, Any], space: Space, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configurations of one trial, by job name.

    Raises:
        InputError: if parameters are unknown fields or have values of the wrong type.
    """
    if space.job != "joint":
        return {space.job: with_fields(bases[space.job], parameters)}
    unknown = [name for name in parameters if name.split(".")[0] not in bases]
    if unknown:
        raise InputError(f"{', '.join(unknown)}: fields of a joint space begin with pretrain. or finetune.")
    return {job: with_fields(base, _own_fields(job, parameters)) for job, base in bases.items()}


def _own_fields(job: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    start = f"{job}."
    return {name.removeprefix(start): value for name, value in parameters.items() if name.startswith(start)}


def check_sweep(config: TuneConfig, space: Space) -> None:
    """Check a sweep, its space and sampled trials without reading data or models.

    Raises:
        InputError: with all problems, one per line.
    """
    problems = [*_sweep_problems(config.resolved(space), space)]
    problems += [problem for job, base in config.bases(space).items() for problem in _base_problems(space, job, base)]
    if not problems:
        problems = _sampled_problems(config, space)
    if problems:
        raise InputError("\n".join(problems))


def _sweep_problems(config: TuneConfig, space: Space) -> Iterator[str]:
    yield from bound_problems(config, skip=TRAININGS)
    problems = {
        f"--searcher {config.searcher}: not found; give one of {', '.join(SEARCHERS)}": config.searcher
        not in SEARCHERS,
        f"--space {config.space}: has no parameters": not space.parameters,
        f"--space {config.space}: functions (tune.sample_from) are unsupported: they cannot be compared on resume": any(
            isinstance(domain, Function) for domain in space.parameters.values()
        ),
        f"--space {config.space}: has no metrics": not space.metrics,
        f"--space {config.space}: has a choice without values": any(
            isinstance(domain, Categorical) and not domain.categories for domain in space.parameters.values()
        ),
        f"--space {config.space}: grace must be above 0 and at most 100": not 0 < space.budget.grace <= 100,
        f"--space {config.space}: reduction must be above 1": space.budget.reduction <= 1,
        f"--space {config.space}: contains {' or '.join(SWEPT)}, which the sweep sets itself": any(
            name.split(".")[-1] in SWEPT for name in space.parameters
        ),
    }
    yield from (problem for problem, applies in problems.items() if applies)
    if config.searcher == "grid":
        try:
            choices(space.parameters)
        except InputError as error:
            yield str(error)


def _base_problems(space: Space, job: str, base: Any) -> Iterator[str]:
    """Yield problems of the settings shared by all trials, with the field names of the sweep."""
    follows = space.job == "joint" and job == "finetune"
    if not base.model and not follows:
        yield f"--{job}.model: missing; every trial starts from it"
        return
    if job == "pretrain" and not base.data:
        yield f"--{job}.data: missing; every trial trains on it"
        return
    if job == "finetune":
        yield from _finetune_problems(space, base)
    if follows and base.model:
        yield (
            f"--finetune.model {base.model}: in a joint space, every trial fine-tunes the encoder that it pre-trained; "
            "leave it empty"
        )
    try:
        TRAININGS[job].check(base)
    except InputError as error:
        yield from (line.replace("--", f"--{job}.", 1) for line in str(error).splitlines())


def _finetune_problems(space: Space, base: FinetuneConfig) -> Iterator[str]:
    if space.task is not None and base.task != space.task:
        yield f"--finetune.task {base.task}: the space is for task {space.task}"
    if base.steps is not None and any(name.split(".")[-1] == "epochs" for name in space.parameters):
        yield f"--finetune.steps {base.steps}: overrides the epochs that the space searches; set it to null"


def _sampled_problems(config: TuneConfig, space: Space) -> list[str]:
    """Return the problems of sampled configurations, only the first for each field."""
    problems: dict[str, str] = {}
    random = np.random.default_rng(config.seed)
    for _ in range(DRAWS):
        parameters = {name: domain.sample(random_state=random) for name, domain in space.parameters.items()}
        try:
            for job, sampled in trial_configs(config.bases(space), space, parameters).items():
                TRAININGS[job].check(sampled)
        except InputError as error:
            for line in str(error).splitlines():
                problems.setdefault(
                    line.split()[0] if line.startswith("--") else line, f"--space {config.space}: {line}"
                )
    return list(problems.values())
