"""What a study will take: the runs that are missing, their time and their cost, reckoned before anything starts."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clism_core.experiments.concurrency import concurrent_runs, share
from clism_core.experiments.studies.run_graph import Stage
from clism_core.tasks.finetuning.config import FinetuneConfig


@dataclass
class ClusterConfig:
    """A cluster, as a dry run imagines it."""

    cpus: float = 64.0
    """CPUs of all nodes."""
    gpus: float = 8.0
    """GPUs of all nodes; 0: trainings are on CPUs."""
    dollars_per_hour: float = 25.0
    """Price of all nodes."""


@dataclass
class EstimateConfig:
    """How fast runs are taken to be. Your own: `global_batch_size` over the workers and over `train/seconds_per_step`,
    which MLflow has of each run."""

    pretrain_rate: float = 250.0
    """Samples that a worker pre-trains on, a second."""
    finetune_rate: float = 100.0
    """Inputs that a worker fine-tunes on, a second."""
    evaluate_rate: float = 200.0
    """Test examples that a worker predicts, a second."""
    mrc_examples: int = 88_000
    """Inputs of an epoch of fine-tuning for question answering."""
    ner_examples: int = 14_000
    """Inputs of an epoch of fine-tuning for named entities."""
    test_examples: int = 44_000
    """Examples that a model is tested on."""
    startup_seconds: float = 60.0
    """Of each run, beside its steps."""


@dataclass(frozen=True)
class Estimate:
    """What the missing runs of a study will take."""

    seconds: Mapping[str, float]
    """Of each run, by its stage's name, one after the other."""
    concurrency: int
    """Of the largest runs, how many have room in the cluster at a time."""
    hours: float
    """From start to end."""
    dollars: float
    too_large: list[str]
    """Runs that need more than the cluster has, by their stages' names."""


def estimate(
    missing: Sequence[Stage], measured: Mapping[str, Sequence[float]], cluster: ClusterConfig, rates: EstimateConfig
) -> Estimate:
    """Return the time and cost of the runs that are missing.

    Args:
        missing: the runs, each after that which it needs, where that one is missing, too.
        measured: seconds per unit of work (`work`) of finished runs of a sort (`sort_of`); the median counts.
        cluster: where they are to run.
        rates: how fast they are where none of the kind is finished.
    """
    if not missing:
        return Estimate({}, 0, 0.0, 0.0, [])
    seconds = {stage.name: _seconds(stage, measured.get(sort_of(stage), ()), rates) for stage in missing}
    resources = {"CPU": cluster.cpus, "GPU": cluster.gpus}
    runs = concurrent_runs([stage.workers for stage in missing], resources)
    ends: dict[str, float] = {}
    for stage in missing:  # a run begins after that which it needs, and the longest chain is the least that all takes
        ends[stage.name] = ends.get(stage.before or "", 0.0) + seconds[stage.name]
    shares = {stage.name: share(stage.workers, resources) for stage in missing}
    filled = sum(seconds[name] * min(1.0, part) for name, part in shares.items())
    whole = max(filled, *ends.values())
    too_large = [name for name, part in shares.items() if part > 1]
    return Estimate(seconds, runs, whole / 3600, whole / 3600 * cluster.dollars_per_hour, too_large)


def sort_of(stage: Stage) -> str:
    """Return what runs have alike that take about as long for a unit of work: the job and, where there is one, the
    task."""
    return f"{stage.kind} {stage.labels.get('task', '')}" if stage.kind != "pretrain" else stage.kind


def work(stage: Stage, rates: EstimateConfig) -> float:
    """Return the units of work of a run: inputs of a worker in training, examples in an evaluation."""
    if stage.kind == "evaluate":
        return rates.test_examples
    config = stage.config
    if isinstance(config, FinetuneConfig):
        per_epoch = config.examples or getattr(rates, f"{config.task}_examples")
        steps = config.steps or math.ceil(config.epochs * per_epoch / config.global_batch_size)
    else:
        steps = config.loop.steps
    return float(steps * config.global_batch_size / config.workers.number)


def _seconds(stage: Stage, measured: Sequence[float], rates: EstimateConfig) -> float:
    units = work(stage, rates)
    if measured:
        return units * statistics.median(measured)
    rate = {"pretrain": rates.pretrain_rate, "finetune": rates.finetune_rate, "evaluate": rates.evaluate_rate}
    return rates.startup_seconds + units / rate[stage.kind]
