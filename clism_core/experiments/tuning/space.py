"""What a sweep searches: fields of a job's configuration with the values they may take, and how they are compared."""

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
"""joint: both, one after the other; names of fields then begin with `pretrain.` or `finetune.`."""

SchedulerName = Literal["asha", "median_stopping_rule", "fifo"]
"""Those of Ray Tune that stop trials (or, fifo, let them be); the others change what trials do on the way."""
LISTING = ("grid", "random")
"""Searchers that do not learn from trials: Ray Tune's own list of configurations."""
SEARCHERS = (*LISTING, *sorted(set(SEARCH_ALG_IMPORT) - {"variant_generator", "random"}))


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much a sweep may try."""

    trials: int = 24
    """Configurations that are tried. A grid is tried in whole."""
    grace: float = 20.0
    """Percent of a trial's steps before it can be stopped early."""
    reduction: float = 3.0
    """At each of its halts the scheduler lets the best one in so many go on; they lie at `grace`, `grace` times this,
    and so on."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """A search space of one job, with what makes a trial good and how to search by default.

    A module or a file that defines `SPACE`, one of these, can be named on the command line.
    """

    job: JobName
    """What a trial runs."""
    parameters: Mapping[str, Domain]
    """What Ray Tune draws for each searched field, by its dotted name: `tune.loguniform(0.01, 1.0)`."""
    metrics: tuple[str, ...]
    """Whose mean is the objective: metrics of the held-out pairs (`*/span_exact_match`: the mean over
    the language pairs) or of the development data (`*/f1`). Test data take no part in a search."""
    mode: Literal["max", "min"] = "max"
    """Whether a high objective is good, or a low one, as of a loss."""
    task: TaskName | None = None
    """Of fine-tuning, where the space is one of a task's; None: any."""
    searcher: str = "optuna"
    """Who proposes configurations: grid, random, or a name that Ray Tune knows, such as optuna or hyperopt."""
    scheduler: SchedulerName = "asha"
    """Who stops trials early: asha, median_stopping_rule, or fifo (nobody)."""
    budget: Budget = Budget()
    """How much is tried."""


def objective(metrics: Mapping[str, float], names: tuple[str, ...]) -> float:
    """Return the mean over `names` of a metric, each the mean over all metrics that its pattern matches.

    Raises:
        InputError: where a name matches nothing.
        FloatingPointError: where it is no finite number.
    """
    means = []
    for name in names:
        values = [value for metric, value in metrics.items() if fnmatchcase(metric, name)]
        if not values:
            raise InputError(
                f"the search space's metric {name} is none of what a trial measures: {', '.join(sorted(metrics))}"
            )
        means.append(sum(values) / len(values))
    found = sum(means) / len(means)
    if not math.isfinite(found):
        raise FloatingPointError(f"the objective is {found}: the trial has diverged")
    return found


def choices(parameters: Mapping[str, Domain]) -> dict[str, list[Any]]:
    """Return the values of each parameter, for a grid.

    Raises:
        InputError: for a parameter that is a range.
    """
    ranges = [name for name, domain in parameters.items() if not isinstance(domain, Categorical)]
    if ranges:
        raise InputError(
            f"--searcher grid: {', '.join(ranges)} of the search space is a range, and a grid needs "
            "tune.choice([...]); take another searcher or another space"
        )
    return {name: list(domain.categories) for name, domain in parameters.items() if isinstance(domain, Categorical)}


def describe_domain(domain: Domain) -> str:
    """Return what a parameter may be, as a text that differs where domains do."""
    return f"{domain.domain_str} {_describe_sampler(domain.get_sampler())}"


def _describe_sampler(sampler: Sampler) -> str:
    inner = {
        name: _describe_sampler(value) if isinstance(value, Sampler) else value
        for name, value in sorted(vars(sampler).items())
    }
    return f"{type(sampler).__name__.strip('_')} {inner}"
