"""Estimate of the time and cost of a study's missing runs, before anything starts."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clism_core.experiments.concurrency import cluster_share, concurrent_runs
from clism_core.experiments.studies.run_graph import Stage
from clism_core.tasks.finetuning.config import FinetuneConfig


@dataclass
class ClusterConfig:
    """Cluster that a dry run assumes."""

    cpus: float = 64.0
    """CPUs of all nodes."""
    gpus: float = 8.0
    """GPUs of all nodes; 0: train on CPUs."""
    dollars_per_hour: float = 25.0
    """Price of all nodes per hour."""


@dataclass
class EstimateConfig:
    """Assumed speeds of runs. To measure a rate: `global_batch_size`, divided by the number of workers and by
    `train/seconds_per_step`, which each run logs to MLflow."""

    pretrain_rate: float = 250.0
    """Pre-training samples per second and worker."""
    finetune_rate: float = 100.0
    """Fine-tuning inputs per second and worker."""
    evaluate_rate: float = 200.0
    """Test examples predicted per second and worker."""
    mrc_examples: int = 88_000
    """Inputs per epoch of fine-tuning for question answering."""
    ner_examples: int = 14_000
    """Inputs per epoch of fine-tuning for named entities."""
    test_examples: int = 44_000
    """Test examples per model."""
    startup_seconds: float = 60.0
    """Overhead of each run, in seconds, besides its steps."""


@dataclass(frozen=True)
class Estimate:
    """Time and cost of the missing runs of a study."""

    seconds: Mapping[str, float]
    """Seconds of each run, by the name of its stage."""
    concurrency: int
    """Number of the largest runs that fit in the cluster at a time."""
    hours: float
    """Hours from start to end."""
    dollars: float
    too_large: list[str]
    """Names of the stages that need more than the cluster has."""


def estimate(
    missing: Sequence[Stage], measured: Mapping[str, Sequence[float]], cluster: ClusterConfig, rates: EstimateConfig
) -> Estimate:
    """Return the time and cost of the missing runs.

    Args:
        missing: the runs, each after the one it depends on, if that is missing, too.
        measured: seconds per unit of work (`work_units`) of finished runs, by kind (`rate_key`); the median is used.
        cluster: cluster to run on.
        rates: speeds of kinds of runs of which none is finished.
    """
    if not missing:
        return Estimate({}, 0, 0.0, 0.0, [])
    seconds = {stage.name: _seconds(stage, measured.get(rate_key(stage), ()), rates) for stage in missing}
    resources = {"CPU": cluster.cpus, "GPU": cluster.gpus}
    runs = concurrent_runs([stage.workers for stage in missing], resources)
    ends: dict[str, float] = {}
    for stage in missing:  # a run starts after the one it depends on, and the longest chain is a lower bound
        ends[stage.name] = ends.get(stage.before or "", 0.0) + seconds[stage.name]
    shares = {stage.name: cluster_share(stage.workers, resources) for stage in missing}
    busy_seconds = sum(seconds[name] * min(1.0, part) for name, part in shares.items())
    total_seconds = max(busy_seconds, *ends.values())
    too_large = [name for name, part in shares.items() if part > 1]
    return Estimate(seconds, runs, total_seconds / 3600, total_seconds / 3600 * cluster.dollars_per_hour, too_large)


def rate_key(stage: Stage) -> str:
    """Return the kind of run that measured rates apply to: the job and, if it has one, the task."""
    return f"{stage.kind} {stage.labels.get('task', '')}" if stage.kind != "pretrain" else stage.kind


def work_units(stage: Stage, rates: EstimateConfig) -> float:
    """Return the units of work of a run: inputs per worker of a training, examples of an evaluation."""
    if stage.kind == "evaluate":
        return rates.test_examples
    config = stage.config
    if isinstance(config, FinetuneConfig):
        per_epoch = config.examples or getattr(rates, f"{config.task}_examples")
        steps = config.steps or math.ceil(config.epochs * per_epoch / config.global_batch_size)
    else:
        steps = config.loop.steps
    return float(steps * config.global_batch_size / config.workers.maximum)


def _seconds(stage: Stage, measured: Sequence[float], rates: EstimateConfig) -> float:
    units = work_units(stage, rates)
    if measured:
        return units * statistics.median(measured)
    rate = {"pretrain": rates.pretrain_rate, "finetune": rates.finetune_rate, "evaluate": rates.evaluate_rate}
    return rates.startup_seconds + units / rate[stage.kind]
