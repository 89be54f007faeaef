"""Configuration of a fine-tuning run, and its checks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from clism_core.model.precision import PrecisionName
from clism_core.tasks.hub import HubSplit
from clism_core.tasks.registry import TASKS, AnyTask, TaskName, TaskOptions
from clism_core.tasks.saved_task import TaskConfig
from clism_core.training.config import CheckMode, WorkersConfig, run_problems
from clism_core.training.loop import CadenceConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Adjustable, Incidental, LabelledFiles, ModelRef, Output, bound_problems

Source = str | list[str | HubSplit]
"""Labelled data: a file, a folder or a glob; or a list of these and of data sets on the hub."""

_LANGUAGE = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z0-9]+)*")  # it becomes part of metric names


@dataclass
class FinetuneConfig(TaskOptions):
    """Fine-tuning on labelled data of one language."""

    task: TaskName
    """mrc: a span of a passage answers a question; ner: tokens are tagged as parts of entities."""
    model: Annotated[str, ModelRef()]
    """Encoder to start from: a hub id, a folder, or a name in the MLflow registry, such as
    models:/clism-encoder@candidate."""
    train: Annotated[Source, LabelledFiles()]
    """Labelled training data: a file, a folder or a glob, or a list of them, local or s3://. SQuAD format for mrc,
    CoNLL or WikiAnn format for ner; or data sets on the Hugging Face Hub: '[{name: rajpurkar/squad, split: train}]'."""
    dev: Annotated[Source, LabelledFiles()]
    """Labelled development data in the same language, evaluated during training; models are selected by it alone."""
    output: Annotated[str, Output()] = ""
    """Folder for checkpoints and the model, local or s3://; the same folder again resumes a stopped run. Empty: a new
    folder below CLISM_HOME/outputs."""
    language: str = "en"
    """Language of the training and development data."""
    encoding: str = "utf-8"
    """Encoding of files for ner; CoNLL-2002 files are often latin-1."""
    examples: Annotated[int | None, Ge(1)] = None
    """Few-shot: number of questions or sentences to sample from the training data; null: all of them."""
    sample_seed: Annotated[int, Ge(0)] = 0
    """Seed of the few-shot sample, which is the same for every model."""
    epochs: Annotated[float, Gt(0), Lt(math.inf)] = 5.0
    """Number of passes over the training data."""
    steps: Annotated[int | None, Ge(1)] = None
    """Total number of optimiser steps, instead of epochs."""
    dev_examples: Annotated[int | None, Ge(1)] = None
    """Number of development questions or sentences to evaluate, the same ones each time; null: all."""
    reinit_head: bool = False
    """Start with a new span head instead of the pre-trained one beside the encoder."""
    seed: Annotated[int, Ge(0)] = 0
    """Seed for sample order, dropout and new weights."""
    global_batch_size: Annotated[int, Ge(1)] = 32
    """Inputs per step over all workers; a multiple of the number of workers."""
    micro_batch_size: Annotated[int | None, Incidental(), Ge(1)] = None
    """Maximum inputs of a worker in one forward pass; gradients are accumulated over several. null: all of its inputs
    in one pass."""
    length_window: Annotated[int, Ge(1)] = 16
    """Number of global batches whose inputs are sorted by length together, to reduce padding; 1: no sorting. At most a
    tenth of the data, so few-shot examples are not sorted."""
    trained_vocabulary: Annotated[Literal["data", "full"], Adjustable()] = "data"
    """Tokens whose embeddings are trained. data: those of the training and development data, and special ones, so that
    gradients, optimiser and checkpoints are smaller; the exported model has the whole vocabulary. full: all tokens;
    those that are not in the data get no gradient, but are still subject to weight decay. A run that began with full
    resumes with it; one that began with data needs data."""
    precision: Annotated[PrecisionName, Adjustable()] = "auto"
    """fp32, bf16, fp16 (with loss scaling), or auto: the best one that the hardware of all workers supports: bf16; on
    V100, fp16; on CPUs without AVX512-BF16 or AMX, fp32. With auto, a resumed run keeps that of its checkpoint."""
    export: Annotated[Literal["last", "best"], Adjustable()] = "best"
    """Checkpoint to export as the model: the last one, or the one with the best F1 on the development data."""
    register: Annotated[bool, Incidental()] = True
    """Whether to register the model as a version of clism-mrc or clism-ner in the MLflow registry."""
    check: Annotated[CheckMode, Incidental()] = None
    """Whether to check all nodes before training: packages, GPUs, data, storage, tracking server, memory; null: if
    there are several nodes. `only` checks and ends."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=3e-5, warmup_steps=0.1))
    """Adam and its learning-rate schedule."""
    loop: CadenceConfig = field(default_factory=CadenceConfig)
    """Intervals of logging, evaluation and checkpoints."""
    workers: Annotated[WorkersConfig, Incidental()] = field(default_factory=WorkersConfig)
    """Ray Train workers."""

    @property
    def task_object(self) -> AnyTask:
        """Task of this run."""
        return TASKS[self.task]

    @property
    def task_options(self) -> TaskConfig:
        """Options of this run's task."""
        options: TaskConfig = getattr(self, self.task)
        return options

    @property
    def other_tasks(self) -> tuple[str, ...]:
        """Names of the other tasks, whose options do not affect this run."""
        return tuple(name for name in TASKS if name != self.task)


def check_config(config: FinetuneConfig) -> None:
    """Check everything that can be checked without reading the data.

    Raises:
        InputError: with all problems, one per line.
    """
    warmup, steps = config.optimizer.warmup_steps, config.steps
    problems = {
        "--train: missing; give a file, a folder or a glob": not config.train,
        "--dev: missing; give a file, a folder or a glob": not config.dev,
        f"--optimizer.warmup_steps {warmup}: must be below --steps ({steps})": steps is not None
        and warmup >= max(1, steps),
        f"--language {config.language!r}: must be a code such as en": not _LANGUAGE.fullmatch(config.language),
        f"--reinit_head: --task {config.task} has no pre-trained head to replace; omit it": config.reinit_head
        and not config.task_object.model.pretrained_head,
    }
    found = [*bound_problems(config, skip=config.other_tasks), *run_problems(config)]
    found += (problem for problem, violated in problems.items() if violated)
    found += config.task_object.problems(config.task_options)
    if found:
        raise InputError("\n".join(found))
