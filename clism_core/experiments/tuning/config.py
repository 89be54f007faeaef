"""The configuration of a sweep, and what can be wrong with it and its search space."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Ge
from ray.tune.search.sample import Function

from clism_core.experiments.trainings import TRAININGS
from clism_core.experiments.tuning.overrides import with_fields
from clism_core.experiments.tuning.space import SEARCHERS, SchedulerName, Space, choices
from clism_core.model.resolve import pin_version
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Output, bound_problems

DRAWS = 20
"""Configurations that are drawn from a search space to see whether its job takes them, before anything starts."""
SWEPT = ("output", "register")
"""Fields that a sweep sets in each trial."""


@dataclass
class TuneConfig:
    """A sweep: Ray Tune over a search space."""

    space: str
    """A module of tune_spaces, such as temperature or loss_weights, or a Python file of your own that defines SPACE."""
    output: Annotated[str, Output()] = ""
    """Folder for trials, tables, plots and the best preset; the same folder again goes on where a sweep was stopped.
    s3:// works. Empty: a new folder below CLISM_HOME/outputs."""
    trials: Annotated[int | None, Ge(1)] = None
    """Configurations that are tried; null: what the space says. A grid is tried in whole."""
    searcher: str | None = None
    """grid, random, or a searcher of Ray Tune by name: optuna, hyperopt, ...; null: what the space says."""
    scheduler: SchedulerName | None = None
    """Who stops trials early: asha, median_stopping_rule, or fifo (nobody); null: what the space says."""
    max_concurrent: Annotated[int | None, Ge(1)] = None
    """Trials that run side by side; null: as many as the cluster, as it is now, has room for. Give it where nodes come
    when they are wanted. Of a sweep that goes on, no more than it was begun with."""
    retry_failed: bool = False
    """Where a sweep goes on, try its failed trials again, from their last checkpoints."""
    seed: Annotated[int, Ge(0)] = 0
    """Of the search; that of the trainings is theirs."""
    register: bool = True
    """Whether the best model becomes a version in the MLflow registry."""
    pretrain: PretrainConfig = field(default_factory=lambda: PretrainConfig(model="", data=""))
    """What all trials that pre-train have in common: a preset, `--pretrain jobs/configs/short.yaml`, and single fields,
    `--pretrain.data prepared`."""
    finetune: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(task="mrc", model="", train="", dev=""))
    """Likewise, what all trials that fine-tune have in common."""

    def bases(self, space: Space) -> dict[str, Any]:
        """Return the configurations that the trials of `space` start from, by the names of their jobs."""
        names = TRAININGS if space.job == "joint" else (space.job,)
        return {name: getattr(self, name) for name in names}

    def resolved(self, space: Space) -> Self:
        """Return this with what the space says where nothing is given."""
        return dataclasses.replace(
            self,
            trials=space.budget.trials if self.trials is None else self.trials,
            searcher=self.searcher or space.searcher,
            scheduler=self.scheduler or space.scheduler,
        )


def with_pinned_models(config: TuneConfig, space: Space) -> TuneConfig:
    """Return the sweep with versions of models instead of aliases, which may mean another version tomorrow."""
    bases = config.bases(space)
    pinned = {job: dataclasses.replace(base, model=pin_version(base.model)) for job, base in bases.items()}
    return dataclasses.replace(config, **pinned)


def trial_configs(bases: Mapping[str, Any], space: Space, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configurations of one trial, by the names of their jobs.

    Raises:
        InputError: for parameters that are no fields of theirs, or have other types.
    """
    if space.job != "joint":
        return {space.job: with_fields(bases[space.job], parameters)}
    strangers = [name for name in parameters if name.split(".")[0] not in bases]
    if strangers:
        raise InputError(f"{', '.join(strangers)}: fields of a joint space begin with pretrain. or finetune.")
    return {job: with_fields(base, _own_fields(job, parameters)) for job, base in bases.items()}


def _own_fields(job: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    start = f"{job}."
    return {name.removeprefix(start): value for name, value in parameters.items() if name.startswith(start)}


def check_sweep(config: TuneConfig, space: Space) -> None:
    """Find what can be found wrong without looking at data or models: in the sweep, in the space and in its trials.

    Raises:
        InputError: with all problems, one a line.
    """
    found = [*_sweep_problems(config.resolved(space), space)]
    found += [problem for job, base in config.bases(space).items() for problem in _base_problems(space, job, base)]
    if not found:
        found = _drawn_problems(config, space)
    if found:
        raise InputError("\n".join(found))


def _sweep_problems(config: TuneConfig, space: Space) -> Iterator[str]:
    yield from bound_problems(config, skip=TRAININGS)
    problems = {
        f"--searcher {config.searcher}: is none of {', '.join(SEARCHERS)}": config.searcher not in SEARCHERS,
        f"--space {config.space}: has no parameters": not space.parameters,
        f"--space {config.space}: a function (tune.sample_from) cannot be compared when a sweep goes on": any(
            isinstance(domain, Function) for domain in space.parameters.values()
        ),
        f"--space {config.space}: has no metrics": not space.metrics,
        f"--space {config.space}: grace must be above 0 and at most 100": not 0 < space.budget.grace <= 100,
        f"--space {config.space}: reduction must be above 1": space.budget.reduction <= 1,
        f"--space {config.space}: sets {' and '.join(SWEPT)} of its trials, which a sweep does": any(
            name.split(".")[-1] in SWEPT for name in space.parameters
        ),
    }
    yield from (problem for problem, is_so in problems.items() if is_so)
    if config.searcher == "grid":
        try:
            choices(space.parameters)
        except InputError as error:
            yield str(error)


def _base_problems(space: Space, job: str, base: Any) -> Iterator[str]:
    """Yield what is wrong with what all trials have in common, with the names of fields as they are given here."""
    follows = space.job == "joint" and job == "finetune"
    if not base.model and not follows:
        yield f"--{job}.model: names no model; every trial starts from it"
        return
    if job == "pretrain" and not base.data:
        yield f"--{job}.data: names no data; every trial trains on it"
        return
    if job == "finetune":
        yield from _finetune_problems(space, base)
    if follows and base.model:
        yield (
            f"--finetune.model {base.model}: in a joint space every trial fine-tunes the model it has pre-trained; "
            "leave it empty"
        )
    try:
        TRAININGS[job].check(base)
    except InputError as error:
        yield from (line.replace("--", f"--{job}.", 1) for line in str(error).splitlines())


def _finetune_problems(space: Space, base: FinetuneConfig) -> Iterator[str]:
    if space.task is not None and base.task != space.task:
        yield f"--finetune.task {base.task}: the space is one of {space.task}"
    if base.steps is not None and any(name.split(".")[-1] == "epochs" for name in space.parameters):
        yield f"--finetune.steps {base.steps}: overrides the epochs that the space searches; give null"


def _drawn_problems(config: TuneConfig, space: Space) -> list[str]:
    """Return the problems of drawn configurations; of each field only the first, as draws have different values."""
    found: dict[str, str] = {}
    random = np.random.default_rng(config.seed)
    for _ in range(DRAWS):
        parameters = {name: domain.sample(random_state=random) for name, domain in space.parameters.items()}
        try:
            for job, drawn in trial_configs(config.bases(space), space, parameters).items():
                TRAININGS[job].check(drawn)
        except InputError as error:
            for line in str(error).splitlines():
                found.setdefault(line.split()[0] if line.startswith("--") else line, f"--space {config.space}: {line}")
    return list(found.values())
