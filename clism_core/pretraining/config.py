"""The configuration of a pre-training run, and what can be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge

from clism_core.model.precision import PrecisionName
from clism_core.pretraining.batches import MaskingConfig
from clism_core.pretraining.dataset import HeldOutConfig, TrainedSpans
from clism_core.pretraining.mixture import DataSetConfig, mixture_problems
from clism_core.pretraining.objectives.build import ObjectivesConfig
from clism_core.training.config import WorkersConfig, run_problems
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Adjustable, Incidental, ModelRef, Output, PreparedData, bound_problems


@dataclass
class PretrainConfig:
    """Pre-training with CLISM, CACR and MLM."""

    model: Annotated[str, ModelRef()]
    """Encoder to start from: a hub id, a folder, or a name of the MLflow registry such as models:/NAME@ALIAS."""
    data: Annotated[str | list[DataSetConfig], PreparedData()]
    """Folder of prepared data, from jobs/prepare.py; s3:// works. Or several that are trained on together, in
    proportion to their weights: '[{path: DIR_A, weight: 2}, {path: DIR_B, weight: 1}]' takes two thirds of the inputs
    from DIR_A and one third from DIR_B, whatever their sizes; each sample is seen before any of its language pair in
    this data set comes again. Their order does not matter. Held-out sentences are held out in all, and all are
    evaluated together."""
    output: Annotated[str, Output()] = ""
    """Folder for checkpoints and the model; the same folder again goes on where a run was stopped. s3:// works.
    Empty: a new folder below CLISM_HOME/outputs."""
    seed: Annotated[int, Ge(0)] = 0
    """Of order, masking, dropout and new weights."""
    global_batch_size: Annotated[int, Ge(1)] = 64
    """Inputs of a step over all workers; a multiple of their number."""
    micro_batch_size: Annotated[int | None, Incidental(), Ge(1)] = None
    """Inputs of a worker in one forward pass; more are accumulated. null: all of its part at once."""
    pairs_per_sample: dict[float, int] = field(default_factory=lambda: {0.0: 1})
    """Sentence pairs that are joined into one input, by share of the training: {0: 1, 0.6: 4} joins four in the last
    two fifths."""
    length_window: Annotated[int, Ge(1)] = 16
    """Global batches whose inputs are sorted by length together, so that little is padding; 1 leaves them mixed."""
    sampling_alpha: Annotated[float, Ge(0)] = 1.0
    """Language pairs are drawn in proportion to size ** alpha, in each data set; below 1, small ones more often."""
    max_samples: int | None = None
    """Samples that are trained on, drawn from all that are not held out: the same ones for every model and seed, and a
    smaller number is a part of a larger one; null: all."""
    span_kind: TrainedSpans = "all"
    """Which of the data's spans are masked in training: all, entities or noun_chunks; the held-out part is asked for
    all of them in any case."""
    precision: Annotated[PrecisionName, Adjustable()] = "auto"
    """fp32, bf16, fp16 (with loss scaling), or auto: what suits the device."""
    export: Annotated[Literal["last", "best"], Adjustable()] = "last"
    """Which checkpoint becomes the model: the last, or the one with the best score on the held-out part."""
    register: Annotated[bool, Incidental()] = True
    """Whether the model becomes a version of clism-encoder in the MLflow registry."""
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    """How sentence pairs become inputs."""
    objectives: ObjectivesConfig = field(default_factory=ObjectivesConfig)
    """Weights of the losses."""
    held_out: HeldOutConfig = field(default_factory=HeldOutConfig)
    """What is evaluated on the way."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Adam and its schedule."""
    loop: LoopConfig = field(default_factory=LoopConfig)
    """How long, and how often what."""
    workers: Annotated[WorkersConfig, Incidental()] = field(default_factory=WorkersConfig)
    """The Ray Train workers."""


def data_set_configs(config: PretrainConfig) -> list[DataSetConfig]:
    """Return what `data` holds as a list; a folder alone has weight 1."""
    return [DataSetConfig(path=config.data)] if isinstance(config.data, str) else config.data


def check_config(config: PretrainConfig) -> None:
    """Find what can be found wrong without looking at the data.

    Raises:
        InputError: with all problems, one a line.
    """
    stages, warmup, steps = config.pairs_per_sample, config.optimizer.warmup_steps, config.loop.steps
    problems = {
        f"--pairs_per_sample {stages}: shares of the training from 0 to below 1 that include 0, each with at least "
        "1 pair": 0 not in stages or not all(0 <= start < 1 and size >= 1 for start, size in stages.items()),
        "--objectives: all weights are 0": not config.objectives.weights(),
        f"--max_samples {config.max_samples}: must be at least --global_batch_size ({config.global_batch_size})": (
            config.max_samples is not None and config.max_samples < config.global_batch_size
        ),
        f"--optimizer.warmup_steps {warmup}: must be below --loop.steps ({steps})": warmup >= max(1, steps),
    }
    found = [*bound_problems(config), *run_problems(config), *(problem for problem, is_so in problems.items() if is_so)]
    found += _data_problems(config)
    if found:
        raise InputError("\n".join(found))


def _data_problems(config: PretrainConfig) -> list[str]:
    if isinstance(config.data, str) and config.data.startswith(("[", "{")):  # what is no list of data sets is a text
        usage = "write [{path: DIR, weight: 1}, ...]"
        return [f"--data{place}: {problem}; {usage}" for place, problem in _list_problems(config.data)]
    return list(mixture_problems(data_set_configs(config)))


def _list_problems(text: str) -> list[tuple[str, str]]:
    """Return what keeps `text` from being a list of data sets, each problem with the place that it is in."""
    unreadable = [(f" {text}", "cannot be read as a list of data sets")]
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError:
        return unreadable
    if not isinstance(entries, list):
        return unreadable
    problems = [(f"[{number}]", problem) for number, entry in enumerate(entries) for problem in _entry_problems(entry)]
    return problems or unreadable


def _entry_problems(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return [f"{entry!r} has no fields"]
    known = [known_field.name for known_field in fields(DataSetConfig)]
    problems = [f"no field is called {name}, only {' and '.join(known)}" for name in entry if name not in known]
    if not isinstance(entry.get("path"), str):
        problems.append("has no path" if "path" not in entry else f"path {entry['path']!r} is no text")
    weight = entry.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        problems.append(f"weight {weight!r} is no number")
    return problems
