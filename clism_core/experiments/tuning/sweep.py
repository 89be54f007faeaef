"""Execution of a sweep by Ray Tune: concurrent trials, resumable."""

import dataclasses
import logging
import math
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
from clism_core.experiments.tuning.space import FIXED_SEARCHERS, Budget, SchedulerName, Space, choices, describe_domain
from clism_core.experiments.tuning.trial import OBJECTIVE, PROGRESS, Sweep, Trial
from clism_core.model.resolve import is_alias
from clism_core.training.config import CONFIG_FILE, dump_config
from clism_core.training.resume import check_same_run, identity_fields, save_identity, with_relative_paths
from clism_core.utils.environment import environment_variables
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Adjustable, Incidental
from clism_core.utils.storage import exists, filesystem, join, list_files, write_bytes

logger = logging.getLogger(__name__)

STATE = "tune"
"""Folder for the state of Ray Tune, below the output."""
TUNE_SETTINGS = {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_SIGINT_HANDLER": "1"}
"""Environment variables that disable Ray Tune's newer output, which ignores `verbose=0` (`SweepProgress` reports
instead), and its handler for SIGINT."""


def check_same_sweep(config: TuneConfig, space: Space) -> None:
    """Compare a resolved sweep with the one in its output folder, if any.

    An alias of a model may have moved since, by the sweep itself: what it names now is compared by `identify_sweep`,
    before an unfinished sweep resumes.

    Raises:
        InputError: with the fields that differ.
    """
    bases = config.bases(space)
    aliases = {f"{job}.model" for job, base in bases.items() if is_alias(base.model)}
    identity = sweep_identity(config, space, bases)
    check_same_run(config.output, {name: value for name, value in identity.items() if name not in aliases})


def identify_sweep(config: TuneConfig, space: Space) -> dict[str, Any]:
    """Return the identity of a resolved sweep, including digests of its inputs.

    Raises:
        InputError: if its output folder contains another sweep.
    """
    bases = config.bases(space)
    identity = sweep_identity(config, space, bases) | sweep_digests(bases)
    check_same_run(config.output, identity)
    return identity


def check_resumable(output: str) -> None:
    """Check that Ray Tune can restore the unfinished sweep in `output`, if any: it pickles objects by their modules.

    Raises:
        InputError: if the sweep was started by a version of this project with other modules.
    """
    if not _has_state(output):
        return
    store, path = filesystem(output)
    try:
        Tuner.restore(join(path, STATE), Trial, storage_filesystem=store)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"--output {output}: this sweep was started by another version of this project and cannot be resumed; give "
            "another --output"
        ) from error


def run_sweep(
    config: TuneConfig, sweep: Sweep, *, identity: dict[str, Any], concurrency: int
) -> tuple[bool, list[TrialResult]]:
    """Run the remaining trials of a sweep.

    Args:
        config: resolved sweep; an unfinished sweep in `output` is resumed.
        sweep: settings shared by the trials.
        identity: identity of the sweep, from `identify_sweep`.
        concurrency: number of concurrent trials.

    Returns:
        Whether the sweep is finished (SIGINT and SIGTERM stop it), and the trials, the best first.

    Raises:
        InputError: if the package of the searcher is not installed.
    """
    logger.info("%d concurrent trials", concurrency)
    tuner = _tuner(config, _with_threads(sweep, concurrency), concurrency)
    save_identity(config.output, identity)
    write_bytes(join(config.output, CONFIG_FILE), dump_config(config).encode())
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    stopping = stop_signals(_stop_tune, "stopping; trials will resume from their last evaluations")
    with environment_variables(TUNE_SETTINGS), stopping as signals:
        results: ResultGrid = tuner.fit()
    return not signals, read_results(results, sweep.space.mode)


def sweep_identity(config: TuneConfig, space: Space, bases: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity of a sweep, without digests of its inputs."""
    fields = {f"{job}.{name}": value for job, base in bases.items() for name, value in _fields(base).items()}
    parameters = {f"space.{name}": describe_domain(domain) for name, domain in space.parameters.items()}
    search = {name: getattr(config, name) for name in ("trials", "searcher", "scheduler", "seed")}
    space_fields = {
        "space.job": space.job,
        "space.parameters": sorted(space.parameters),
        "space.metrics": list(space.metrics),
        "space.mode": space.mode,
        "space.grace": space.budget.grace,
        "space.reduction": space.budget.reduction,
    }
    return fields | parameters | search | space_fields


def _fields(base: Any) -> dict[str, Any]:
    identity: dict[str, Any] = with_relative_paths(identity_fields(base, Incidental, Adjustable))
    return identity


def sweep_digests(bases: Mapping[str, Any]) -> dict[str, str]:
    """Return digests of the inputs of all trials, by the names that errors use for them."""
    inputs = InputDigests()
    digests = {path: digest for base in bases.values() for path, digest in inputs.of(base).items()}
    return {f"content of {path}": digest for path, digest in digests.items()}


def trial_count(config: TuneConfig, space: Space) -> int:
    """Return the number of trials of a resolved sweep."""
    if config.searcher == "grid":
        return math.prod(len(values) for values in choices(space.parameters).values())
    assert config.trials is not None
    return config.trials


def _tuner(config: TuneConfig, sweep: Sweep, concurrency: int) -> Tuner:
    """Return a tuner that resumes the sweep in the output folder, or starts a new one."""
    store, path = filesystem(config.output)
    resumes = _has_state(config.output)
    process = trial_resources(concurrency if resumes else None)
    trainable = tune.with_resources(tune.with_parameters(Trial, sweep=sweep), process)
    state = join(path, STATE)
    if resumes:
        logger.info("resuming the sweep in %s", config.output)
        return Tuner.restore(state, trainable, storage_filesystem=store, resume_errored=config.retry_failed)
    assert config.scheduler is not None
    total = trial_count(config, sweep.space)
    is_fixed = config.searcher in FIXED_SEARCHERS
    return Tuner(
        trainable,
        param_space=_param_space(config, sweep.space),
        tune_config=tune.TuneConfig(
            metric=OBJECTIVE,
            mode=sweep.space.mode,
            search_alg=_searcher(config, concurrency, sweep.space.mode),
            scheduler=SCHEDULERS[config.scheduler](sweep.space.budget),
            num_samples=1 if config.searcher == "grid" else total,
            max_concurrent_trials=None if is_fixed else concurrency,
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


def trial_resources(max_concurrent: int | None = None) -> PlacementGroupFactory:
    """Return the resources that Ray reserves for the process of a trial, which waits for its workers: memory of this
    node. On another node, a trial could be lost with that node while the sweep continues.

    Args:
        max_concurrent: limit on concurrent trials that the resources enforce. Needed when resuming, because Ray Tune
            then starts all unfinished trials at once, whatever the limit of the searcher. None: no limit.
    """
    share = MIN_SHARE if max_concurrent is None else node_share(1 / max_concurrent)
    bundle = {"memory": process_memory(), own_resource(): share}
    return PlacementGroupFactory([bundle], bundle_label_selector=[this_node_label()])


def _has_state(output: str) -> bool:
    """Return whether Ray Tune has saved a state of the sweep, which it needs to resume."""
    state = join(output, STATE)
    return exists(state) and any("/experiment_state-" in f"/{file}" for file in list_files(state))


def trial_concurrency(config: TuneConfig, space: Space) -> int:
    """Return the number of concurrent trials of a resolved sweep.

    Raises:
        InputError: as `run_concurrency` does.
    """
    workers = [base.workers for base in config.bases(space).values()]
    return min(run_concurrency(workers, requested=config.max_concurrent), trial_count(config, space))


def _with_threads(sweep: Sweep, concurrency: int) -> Sweep:
    """Return the sweep with the cores divided among its trials, unless `threads` is set."""
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
    if config.searcher in FIXED_SEARCHERS:
        return BasicVariantGenerator(max_concurrent=concurrency, random_state=config.seed)
    seeds = {"seed": config.seed, "random_state_seed": config.seed}  # each searcher uses the one it knows
    try:
        searcher: Searcher = tune.search.create_searcher(config.searcher, metric=OBJECTIVE, mode=mode, **seeds)
    except (ImportError, AssertionError) as error:  # its package is not installed
        raise InputError(f"--searcher {config.searcher}: {error}") from error
    return searcher


def _asha(budget: Budget) -> TrialScheduler:
    # A trial that has done all its steps still has to export its model, so it is not stopped at the end.
    return ASHAScheduler(
        time_attr=PROGRESS,
        max_t=100,
        grace_period=cast(int, budget.grace),
        reduction_factor=budget.reduction,
        stop_last_trials=False,
    )


# With a finite time slice, the median rule would pause trials, which runs do not support.
_NEVER = cast(int, math.inf)
SCHEDULERS: Mapping[SchedulerName, Callable[[Budget], TrialScheduler]] = {
    "asha": _asha,
    "median_stopping_rule": lambda budget: MedianStoppingRule(
        time_attr=PROGRESS, grace_period=budget.grace, min_time_slice=_NEVER
    ),
    "fifo": lambda _: FIFOScheduler(),
}


def _stop_tune() -> None:
    """Make Ray Tune save its state and end: it handles SIGUSR1 as SIGINT, but ignores SIGTERM of `ray job stop`."""
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:  # no handler installed yet
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGUSR1)
