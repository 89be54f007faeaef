"""The configuration of a fine-tuning run, and what can be wrong with it."""

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
from clism_core.training.config import WorkersConfig, run_problems
from clism_core.training.loop import CadenceConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Adjustable, Incidental, LabelledFiles, ModelRef, Output, bound_problems

Source = str | list[str | HubSplit]
"""Labelled data: a file, a folder or a glob; or a list of these and of data sets of the hub."""

_LANGUAGE = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z0-9]+)*")  # it becomes a part of metrics' names


@dataclass
class FinetuneConfig(TaskOptions):
    """Fine-tuning on labelled data of one language."""

    task: TaskName
    """mrc: a span of a passage answers a question; ner: tokens are tagged as parts of entities."""
    model: Annotated[str, ModelRef()]
    """Encoder to start from: a hub id, a folder, or a name of the MLflow registry such as
    models:/clism-encoder@candidate."""
    train: Annotated[Source, LabelledFiles()]
    """Labelled data to train on: a file, a folder or a glob, or a list of them; s3:// works. For mrc in SQuAD format,
    for ner in CoNLL's or WikiAnn's; or data sets of the Hugging Face hub: '[{name: rajpurkar/squad, split: train}]'."""
    dev: Annotated[Source, LabelledFiles()]
    """Labelled data that is evaluated on the way, of the same language: models are selected by it alone."""
    output: Annotated[str, Output()] = ""
    """Folder for checkpoints and the model; the same folder again goes on where a run was stopped. s3:// works.
    Empty: a new folder below CLISM_HOME/outputs."""
    language: str = "en"
    """Of the training and development data."""
    encoding: str = "utf-8"
    """Of the files of ner; those of CoNLL-2002 are often latin-1."""
    examples: Annotated[int | None, Ge(1)] = None
    """Few-shot: how many questions or sentences are drawn from the training data; null: all of them."""
    sample_seed: Annotated[int, Ge(0)] = 0
    """Which examples are drawn; the same ones for every model."""
    epochs: Annotated[float, Gt(0), Lt(math.inf)] = 5.0
    """How often the training data is gone through."""
    steps: Annotated[int | None, Ge(1)] = None
    """Optimiser steps in all, instead of epochs."""
    dev_examples: Annotated[int | None, Ge(1)] = None
    """Questions or sentences of the development data that are evaluated, the same ones each time; null: all."""
    reinit_head: bool = False
    """Begin with a new span head, instead of the pre-trained one that lies beside the encoder."""
    seed: Annotated[int, Ge(0)] = 0
    """Of order, dropout and new weights."""
    global_batch_size: Annotated[int, Ge(1)] = 32
    """Inputs of a step over all workers; a multiple of their number."""
    micro_batch_size: Annotated[int | None, Incidental(), Ge(1)] = None
    """Inputs of a worker in one forward pass; more are accumulated. null: all of its part at once."""
    length_window: Annotated[int, Ge(1)] = 16
    """Global batches whose inputs are sorted by length together, so that little is padding; 1 leaves them mixed. A
    tenth of the data at most: few-shot examples stay mixed."""
    precision: Annotated[PrecisionName, Adjustable()] = "auto"
    """fp32, bf16, fp16 (with loss scaling), or auto: what suits the device."""
    export: Annotated[Literal["last", "best"], Adjustable()] = "best"
    """Which checkpoint becomes the model: the last, or the one with the best F1 on the development data."""
    register: Annotated[bool, Incidental()] = True
    """Whether the model becomes a version of clism-mrc or clism-ner in the MLflow registry."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=3e-5, warmup_steps=0.1))
    """Adam and its schedule."""
    loop: CadenceConfig = field(default_factory=CadenceConfig)
    """How often what."""
    workers: Annotated[WorkersConfig, Incidental()] = field(default_factory=WorkersConfig)
    """The Ray Train workers."""

    @property
    def task_object(self) -> AnyTask:
        """The task of this run."""
        return TASKS[self.task]

    @property
    def task_options(self) -> TaskConfig:
        """The options of the task of this run."""
        options: TaskConfig = getattr(self, self.task)
        return options

    @property
    def other_tasks(self) -> tuple[str, ...]:
        """The names of the other tasks, whose options do not matter to this run."""
        return tuple(name for name in TASKS if name != self.task)


def check_config(config: FinetuneConfig) -> None:
    """Find what can be found wrong without looking at the data.

    Raises:
        InputError: with all problems, one a line.
    """
    warmup, steps = config.optimizer.warmup_steps, config.steps
    problems = {
        "--train: names no data": not config.train,
        "--dev: names no data": not config.dev,
        f"--optimizer.warmup_steps {warmup}: must be below --steps ({steps})": steps is not None
        and warmup >= max(1, steps),
        f"--language {config.language!r}: must be a code such as en": not _LANGUAGE.fullmatch(config.language),
        f"--reinit_head: --task {config.task} has no pre-trained head to replace; leave it out": config.reinit_head
        and not config.task_object.model.pretrained_head,
    }
    found = [*bound_problems(config, skip=config.other_tasks), *run_problems(config)]
    found += (problem for problem, is_so in problems.items() if is_so)
    found += config.task_object.problems(config.task_options)
    if found:
        raise InputError("\n".join(found))
