"""A sweep on the cluster that Ray is connected to: many trials, some side by side, that goes on where it was."""

import dataclasses
import logging
import math
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any, cast

import optuna
from ray import tune
from ray.tune import PlacementGroupFactory, ResultGrid, Tuner
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import BasicVariantGenerator, Searcher

from clism_core.cluster.graceful_stop import stop_signals
from clism_core.cluster.nodes import node_resources, own_resource, this_node_label
from clism_core.experiments.concurrency import (
    MIN_SHARE,
    node_share,
    process_memory,
    run_concurrency,
    with_own_threads,
)
from clism_core.experiments.input_digests import InputDigests
from clism_core.experiments.tuning.callbacks import SweepProgress
from clism_core.experiments.tuning.config import TuneConfig
from clism_core.experiments.tuning.results import TrialResult, read_results
from clism_core.experiments.tuning.space import LISTING, Budget, SchedulerName, Space, choices, describe_domain
from clism_core.experiments.tuning.trial import OBJECTIVE, PROGRESS, Sweep, Trial
from clism_core.model.resolve import is_alias
from clism_core.training.config import CONFIG_FILE, dump_config
from clism_core.training.resume import check_same_run, identity_fields, save_identity, with_relative_paths
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Adjustable, Incidental
from clism_core.utils.storage import exists, filesystem, join, list_files, write_bytes

logger = logging.getLogger(__name__)

STATE = "tune"
"""Folder of Ray Tune's own state, below the output."""
TUNE_SETTINGS = {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_SIGINT_HANDLER": "1"}
"""Ray Tune's newer output talks even where it is told to be silent; `SweepProgress` says what there is to say. And
signals come to us first."""


def check_same_sweep(config: TuneConfig, space: Space) -> None:
    """Compare a resolved sweep with the one that its output holds, if it holds one.

    An alias of a model may have moved since, by the sweep itself: what it names now is compared by `identify_sweep`,
    before an unfinished sweep resumes.

    Raises:
        InputError: naming the fields that differ.
    """
    bases = config.bases(space)
    aliases = {f"{job}.model" for job, base in bases.items() if is_alias(base.model)}
    identity = sweep_identity(config, space, bases)
    check_same_run(config.output, {name: value for name, value in identity.items() if name not in aliases})


def identify_sweep(config: TuneConfig, space: Space) -> dict[str, Any]:
    """Return what makes a resolved sweep what it is, with the contents of its data.

    Raises:
        InputError: if its output holds another sweep.
    """
    bases = config.bases(space)
    identity = sweep_identity(config, space, bases) | sweep_contents(bases)
    check_same_run(config.output, identity)
    return identity


def run_sweep(
    config: TuneConfig, sweep: Sweep, *, identity: dict[str, Any], concurrency: int
) -> tuple[bool, list[TrialResult]]:
    """Run the trials of a sweep that are not run yet.

    Args:
        config: the sweep, resolved; `output` decides which one goes on.
        sweep: what its trials have in common.
        identity: of `identify_sweep`.
        concurrency: of `trial_concurrency`.

    Returns:
        whether all of it is done (a SIGINT or SIGTERM stops it), and the trials, the best first.

    Raises:
        InputError: if Ray Tune knows no such searcher or scheduler.
    """
    logger.info("%d trials side by side", concurrency)
    tuner = _tuner(config, _with_threads(sweep, concurrency), concurrency)
    save_identity(config.output, identity)
    write_bytes(join(config.output, CONFIG_FILE), dump_config(config).encode())
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    stopping = stop_signals(_ask_tune_to_stop, "stopping; trials will go on from their last evaluations")
    os.environ.update(TUNE_SETTINGS)
    with stopping as signals:
        results: ResultGrid = tuner.fit()
    return not signals, read_results(results, sweep.space.mode)


def sweep_identity(config: TuneConfig, space: Space, bases: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes a sweep what it is."""
    fields = {f"{job}.{name}": value for job, base in bases.items() for name, value in _fields(base).items()}
    parameters = {f"space.{name}": describe_domain(domain) for name, domain in space.parameters.items()}
    search = {name: getattr(config, name) for name in ("trials", "searcher", "scheduler", "seed")}
    of_space = {
        "space.job": space.job,
        "space.parameters": sorted(space.parameters),
        "space.metrics": list(space.metrics),
        "space.mode": space.mode,
        "space.grace": space.budget.grace,
        "space.reduction": space.budget.reduction,
    }
    return fields | parameters | search | of_space


def _fields(base: Any) -> dict[str, Any]:
    identity: dict[str, Any] = with_relative_paths(identity_fields(base, Incidental, Adjustable))
    return identity


def sweep_contents(bases: Mapping[str, Any]) -> dict[str, str]:
    """Return digests of what all trials are made of, as errors name what has changed."""
    contents = InputDigests()
    found = {path: digest for base in bases.values() for path, digest in contents.of(base).items()}
    return {f"content of {path}": digest for path, digest in found.items()}


def trial_count(config: TuneConfig, space: Space) -> int:
    """Return how many trials a resolved sweep has."""
    if config.searcher == "grid":
        return math.prod(len(values) for values in choices(space.parameters).values())
    assert config.trials is not None
    return config.trials


def _tuner(config: TuneConfig, sweep: Sweep, concurrency: int) -> Tuner:
    """Return the sweep that the output holds, to go on with it, or a new one."""
    store, path = filesystem(config.output)
    goes_on = _has_begun(config.output)
    process = own_process(concurrency if goes_on else None)
    trainable = tune.with_resources(tune.with_parameters(Trial, sweep=sweep), process)
    state = join(path, STATE)
    if goes_on:
        logger.info("going on with the sweep in %s", config.output)
        return Tuner.restore(state, trainable, storage_filesystem=store, resume_errored=config.retry_failed)
    assert config.scheduler is not None
    total = trial_count(config, sweep.space)
    lists_trials = config.searcher in LISTING
    return Tuner(
        trainable,
        param_space=_param_space(config, sweep.space),
        tune_config=tune.TuneConfig(
            metric=OBJECTIVE,
            mode=sweep.space.mode,
            search_alg=_searcher(config, concurrency, sweep.space.mode),
            scheduler=SCHEDULERS[config.scheduler](sweep.space.budget),
            num_samples=1 if config.searcher == "grid" else total,
            max_concurrent_trials=None if lists_trials else concurrency,
            reuse_actors=False,
        ),
        run_config=tune.RunConfig(
            name=STATE,
            storage_path=path,
            storage_filesystem=store,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # runs keep their own
            failure_config=tune.FailureConfig(max_failures=0, fail_fast=False),
            callbacks=[SweepProgress(sweep, total)],
            verbose=0,
        ),
    )


def own_process(most: int | None = None) -> PlacementGroupFactory:
    """Return what Ray reserves for a trial's own process, which waits for its workers: memory of this node, with which
    the sweep would end, too. Elsewhere a trial could be lost with a node that is taken away.

    Args:
        most: how many trials Ray lets run at a time: those that go on are all begun by Ray Tune at once, whatever the
            limit of its searchers. None where that limit is enough.
    """
    part = MIN_SHARE if most is None else node_share(1 / most)
    bundle = {"memory": process_memory(), own_resource(): part}
    return PlacementGroupFactory([bundle], bundle_label_selector=[this_node_label()])


def _has_begun(output: str) -> bool:
    """Return whether Ray Tune has noted a state of the sweep, without which it cannot go on."""
    state = join(output, STATE)
    return exists(state) and any("/experiment_state-" in f"/{file}" for file in list_files(state))


def trial_concurrency(config: TuneConfig, space: Space) -> int:
    """Return how many trials of a resolved sweep there are to be side by side.

    Raises:
        InputError: as `run_concurrency` does.
    """
    workers = [base.workers for base in config.bases(space).values()]
    return min(run_concurrency(workers, requested=config.max_concurrent), trial_count(config, space))


def _with_threads(sweep: Sweep, concurrency: int) -> Sweep:
    """Return the sweep with the cores shared among its trials, where nothing else is said."""
    nodes = node_resources()
    bases = {
        job: dataclasses.replace(base, workers=with_own_threads(base.workers, runs=concurrency, nodes=nodes))
        for job, base in sweep.bases.items()
    }
    return dataclasses.replace(sweep, bases=bases)


def _param_space(config: TuneConfig, space: Space) -> dict[str, Any]:
    if config.searcher == "grid":
        return {name: tune.grid_search(values) for name, values in choices(space.parameters).items()}
    return dict(space.parameters)


def _searcher(config: TuneConfig, concurrency: int, mode: str) -> Searcher | BasicVariantGenerator:
    assert config.searcher is not None
    if config.searcher in LISTING:
        return BasicVariantGenerator(max_concurrent=concurrency, random_state=config.seed)
    seeds = {"seed": config.seed, "random_state_seed": config.seed}  # each takes the one that it knows
    try:
        searcher: Searcher = tune.search.create_searcher(config.searcher, metric=OBJECTIVE, mode=mode, **seeds)
    except (ImportError, AssertionError) as error:  # its package is not installed
        raise InputError(f"--searcher {config.searcher}: {error}") from error
    return searcher


def _asha(budget: Budget) -> TrialScheduler:
    # A trial that has done all its steps still has its model to export: it is not stopped for being at the end.
    return ASHAScheduler(
        time_attr=PROGRESS,
        max_t=100,
        grace_period=cast(int, budget.grace),
        reduction_factor=budget.reduction,
        stop_last_trials=False,
    )


# Without a slice of time of its own, the median rule would pause trials, which a run cannot be.
_NEVER = cast(int, math.inf)
SCHEDULERS: Mapping[SchedulerName, Callable[[Budget], TrialScheduler]] = {
    "asha": _asha,
    "median_stopping_rule": lambda budget: MedianStoppingRule(
        time_attr=PROGRESS, grace_period=budget.grace, min_time_slice=_NEVER
    ),
    "fifo": lambda _: FIFOScheduler(),
}


def _ask_tune_to_stop() -> None:
    """Let Ray Tune write its state and end: it handles SIGUSR1 as SIGINT, and SIGTERM, which `ray job stop` sends, not
    at all."""
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:  # it does not listen yet
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGUSR1)
