"""Configuration of a pre-training run, and its checks."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge

from clism_core.model.precision import PrecisionName
from clism_core.pretraining.batches import MaskingConfig
from clism_core.pretraining.dataset import TrainedSpans
from clism_core.pretraining.held_out_data import HeldOutConfig
from clism_core.pretraining.mixture import DataSetConfig, mixture_problems
from clism_core.pretraining.objectives.build import ObjectivesConfig
from clism_core.training.config import CheckMode, WorkersConfig, run_problems
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Adjustable, Incidental, ModelRef, Output, PreparedData, bound_problems


@dataclass
class PretrainConfig:
    """Pre-training with CLISM, CACR and MLM."""

    model: Annotated[str, ModelRef()]
    """Encoder to start from: a hub id, a folder, or a name in the MLflow registry such as models:/NAME@ALIAS."""
    data: Annotated[str | list[DataSetConfig], PreparedData()]
    """Folder of prepared data, from jobs/prepare.py; may be s3://. Or a weighted mixture of several:
    '[{path: DIR_A, weight: 2}, {path: DIR_B, weight: 1}]' takes two thirds of the inputs from DIR_A and one third from
    DIR_B, whatever their sizes. No sample is repeated before all samples of its language pair in its data set have been
    used. The order of the data sets does not matter. Held-out sentences are held out of all data sets, which are
    evaluated together."""
    output: Annotated[str, Output()] = ""
    """Folder for checkpoints and the model; may be s3://. A run that was stopped resumes if it is started again with
    the same folder. Empty: a new folder in CLISM_HOME/outputs."""
    seed: Annotated[int, Ge(0)] = 0
    """Seed for sample order, masking, dropout and new weights."""
    global_batch_size: Annotated[int, Ge(1)] = 64
    """Inputs per step over all workers; a multiple of the number of workers."""
    micro_batch_size: Annotated[int | None, Incidental(), Ge(1)] = None
    """Inputs per worker in one forward pass; gradients of several passes are accumulated. null: all inputs of the
    worker at once."""
    pairs_per_sample: dict[float, int] = field(default_factory=lambda: {0.0: 1})
    """Number of sentence pairs joined into one input, by fraction of the training: {0: 1, 0.6: 4} joins four in the
    last two fifths."""
    length_window: Annotated[int, Ge(1)] = 16
    """Number of global batches whose inputs are sorted by length together, to reduce padding; 1: no sorting."""
    sampling_alpha: Annotated[float, Ge(0)] = 1.0
    """Exponent of sampling: within a data set, language pairs are drawn in proportion to size ** alpha; below 1, small
    pairs are drawn more often."""
    max_samples: int | None = None
    """Number of training samples, drawn from all that are not held out: the same ones for every model and seed, and a
    smaller number is a subset of a larger one; null: all."""
    span_kind: TrainedSpans = "all"
    """Kind of the spans that are masked in training: all, entities or noun_chunks. The evaluation on held-out samples
    always uses all."""
    trained_vocabulary: Annotated[Literal["data", "full"], Adjustable()] = "data"
    """Tokens whose embeddings are trained. data: those of the data, training and held-out, special ones and
    `vocabulary_sample` others; embeddings, logits, gradients, optimiser and checkpoints are then as small as these. The
    exported model has the whole vocabulary, other embeddings as before training. full: all tokens. It changes the
    softmax of MLM only, which is over the trained tokens. A run that began with full resumes with it; one that began
    with data needs data."""
    vocabulary_sample: Annotated[int, Adjustable(), Ge(0)] = 20_000
    """Number of tokens outside of the data that MLM uses as random replacements and as wrong answers in its softmax,
    drawn by the seed; only with `trained_vocabulary: data`."""
    precision: Annotated[PrecisionName, Adjustable()] = "auto"
    """fp32, bf16, fp16 (with loss scaling), or auto: the best one that the hardware of all workers supports: bf16; on
    V100, fp16; on CPUs without AVX512-BF16 or AMX, fp32. With auto, a resumed run keeps that of its checkpoint."""
    export: Annotated[Literal["last", "best"], Adjustable()] = "last"
    """Checkpoint to export as the model: the last, or the one with the best score on the held-out samples."""
    register: Annotated[bool, Incidental()] = True
    """Whether to register the model as a version of clism-encoder in the MLflow registry."""
    check: Annotated[CheckMode, Incidental()] = None
    """Whether to check all nodes before training: packages, GPUs, data, storage, tracking server, memory; null: if
    there are several nodes. `only` checks and ends."""
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    """Conversion of sentence pairs to inputs."""
    objectives: ObjectivesConfig = field(default_factory=ObjectivesConfig)
    """Weights of the losses."""
    held_out: HeldOutConfig = field(default_factory=HeldOutConfig)
    """Held-out samples for evaluation during training."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Adam and its schedule."""
    loop: LoopConfig = field(default_factory=LoopConfig)
    """Number of steps, and intervals of logging, evaluation and checkpoints."""
    workers: Annotated[WorkersConfig, Incidental()] = field(default_factory=WorkersConfig)
    """Ray Train workers."""


def data_set_configs(config: PretrainConfig) -> list[DataSetConfig]:
    """Return the data sets of the field `data` as a list; a single folder has weight 1."""
    return [DataSetConfig(path=config.data)] if isinstance(config.data, str) else config.data


def check_config(config: PretrainConfig) -> None:
    """Check the configuration, without reading the data.

    Raises:
        InputError: with all problems, one per line.
    """
    stages, warmup, steps = config.pairs_per_sample, config.optimizer.warmup_steps, config.loop.steps
    problems = {
        f"--pairs_per_sample {stages}: must map fractions of the training from 0 to below 1, including 0, to at least "
        "1 pair each": 0 not in stages or not all(0 <= start < 1 and size >= 1 for start, size in stages.items()),
        "--objectives: all weights are 0; give at least one objective a weight above 0": (
            not config.objectives.weights()
        ),
        f"--max_samples {config.max_samples}: must be at least --global_batch_size ({config.global_batch_size})": (
            config.max_samples is not None and config.max_samples < config.global_batch_size
        ),
        f"--optimizer.warmup_steps {warmup}: must be below --loop.steps ({steps})": warmup >= max(1, steps),
    }
    messages = [*bound_problems(config), *run_problems(config)]
    messages += [problem for problem, occurs in problems.items() if occurs]
    messages += _data_problems(config)
    if messages:
        raise InputError("\n".join(messages))


def _data_problems(config: PretrainConfig) -> list[str]:
    if isinstance(config.data, str) and config.data.startswith(("[", "{")):  # an invalid list is parsed as a string
        usage = "give [{path: DIR, weight: 1}, ...]"
        return [f"--data{position}: {problem}; {usage}" for position, problem in _list_problems(config.data)]
    return list(mixture_problems(data_set_configs(config)))


def _list_problems(text: str) -> list[tuple[str, str]]:
    """Return the problems of an invalid list of data sets, each with its position in the list."""
    unreadable = [(f" {text}", "cannot be parsed as a list of data sets")]
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
        return [f"{entry!r} is not a data set with a path"]
    known = [known_field.name for known_field in fields(DataSetConfig)]
    problems = [f"unknown field {name}, not {' or '.join(known)}" for name in entry if name not in known]
    if not isinstance(entry.get("path"), str):
        problems.append("path is missing" if "path" not in entry else f"path {entry['path']!r} is not a string")
    weight = entry.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        problems.append(f"weight {weight!r} is not a number")
    return problems
