"""Search spaces: fields of a job's configuration with their domains, and the objective."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from ray.tune.search import SEARCH_ALG_IMPORT
from ray.tune.search.sample import Categorical, Domain, Sampler

from clism_core.tasks.registry import TaskName
from clism_core.utils.errors import InputError

JobName = Literal["pretrain", "finetune", "joint"]
"""joint: pre-training, then fine-tuning; field names begin with `pretrain.` or `finetune.`."""

SchedulerName = Literal["asha", "median_stopping_rule", "fifo"]
"""Ray Tune's schedulers that only stop trials or, fifo, never do; the others modify running trials."""
FIXED_SEARCHERS = ("grid", "random")
"""Searchers that do not learn from trials; Ray Tune generates the list of configurations."""
SEARCHERS = (*FIXED_SEARCHERS, *sorted(set(SEARCH_ALG_IMPORT) - {"variant_generator", "random"}))


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Budget of a sweep."""

    trials: int = 24
    """Number of trials. A grid is always tried completely."""
    grace: float = 20.0
    """Percent of a trial's steps before early stopping."""
    reduction: float = 3.0
    """Reduction factor: at each rung, the scheduler keeps the best one of this many trials. Rungs are at `grace`,
    `grace` times this factor, and so on."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """Search space of a job, with its objective and the defaults of the search.

    The command line takes a module or file that defines one as `SPACE`.
    """

    job: JobName
    """Job of each trial."""
    parameters: Mapping[str, Domain]
    """Domain of each searched field, such as `tune.loguniform(0.01, 1.0)`, by its dotted name."""
    metrics: tuple[str, ...]
    """Metrics whose mean is the objective: of the held-out pairs (`*/span_exact_match`: the mean over language pairs)
    or of the development data (`*/f1`). Test data are never used."""
    mode: Literal["max", "min"] = "max"
    """Whether to maximise or minimise the objective."""
    task: TaskName | None = None
    """Task of the fine-tuning that the space is for; None: any."""
    searcher: str = "optuna"
    """Default searcher: grid, random, or a name known to Ray Tune, such as optuna or hyperopt."""
    scheduler: SchedulerName = "asha"
    """Default scheduler for early stopping: asha, median_stopping_rule, or fifo (none)."""
    budget: Budget = Budget()
    """Number of trials and limits of early stopping."""


def objective(metrics: Mapping[str, float], names: tuple[str, ...]) -> float:
    """Return the mean over `names`, each the mean of all metrics that match its pattern.

    Raises:
        InputError: if a name matches no metric.
        FloatingPointError: if the result is not finite.
    """
    means = []
    for name in names:
        values = [value for metric, value in metrics.items() if fnmatchcase(metric, name)]
        if not values:
            raise InputError(f"metric {name} of the search space not found; a trial has: {', '.join(sorted(metrics))}")
        means.append(sum(values) / len(values))
    mean = sum(means) / len(means)
    if not math.isfinite(mean):
        raise FloatingPointError(f"the objective is {mean}: the trial has diverged")
    return mean


def choices(parameters: Mapping[str, Domain]) -> dict[str, list[Any]]:
    """Return the values of each parameter, for a grid.

    Raises:
        InputError: if a parameter is a range.
    """
    ranges = [name for name, domain in parameters.items() if not isinstance(domain, Categorical)]
    if ranges:
        raise InputError(
            f"--searcher grid: {', '.join(ranges)} of the search space is a range, but a grid needs "
            "tune.choice([...]); use another searcher or another space"
        )
    return {name: list(domain.categories) for name, domain in parameters.items() if isinstance(domain, Categorical)}


def describe_domain(domain: Domain) -> str:
    """Return a text that describes a domain; different domains have different texts."""
    return f"{domain.domain_str} {_describe_sampler(domain.get_sampler())}"


def _describe_sampler(sampler: Sampler) -> str:
    inner = {
        name: _describe_sampler(value) if isinstance(value, Sampler) else value
        for name, value in sorted(vars(sampler).items())
    }
    return f"{type(sampler).__name__.strip('_')} {inner}"
