"""Configuration of the studies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from clism_core.evaluation.bootstrap import RESAMPLES
from clism_core.evaluation.config import LEAST_RESAMPLES, EvaluateConfig
from clism_core.experiments.studies.estimate import ClusterConfig, EstimateConfig
from clism_core.experiments.studies.registry import StudyName
from clism_core.model.paths import with_absolute_paths
from clism_core.model.resolve import pin_version
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.registry import TaskName
from clism_core.tasks.test_data import TestSetConfig
from clism_core.utils.fields import ModelRef, Output
from clism_core.utils.home import home

Scale = Literal["demo", "paper"]
StudyTask = Literal["mrc", "ner", "wikiann"]
"""What encoders are fine-tuned for, by the fields that say how. wikiann: named entities, too, of WikiAnn's English."""
TASKS: Mapping[StudyTask, TaskName] = {"mrc": "mrc", "ner": "ner", "wikiann": "ner"}


@dataclass
class StudyConfig:
    """A study: an experiment of the paper, as many runs of the jobs, with its table or figure."""

    name: StudyName
    """main: table 2. per-language: tables 5 to 8. fewshot: tables 3 and 9, figure 4(b). ablation: table 4. convergence:
    figure 4(a). data-scale: figure 5. temperature: what the temperature of CACR does to its gradient, to retrieval and
    to few-shot scores, which the paper does not say."""
    scale: Scale = "demo"
    """The preset that all other fields begin from, of jobs/configs/study-*.yaml: demo (minutes, generated data), or
    paper."""
    output: Annotated[str, Output()] = ""
    """Folder for runs, tables and figures. Studies with the same folder share their runs, and runs that are finished
    there are not repeated. s3:// works. Empty: CLISM_HOME/studies/SCALE."""
    dry_run: bool = False
    """Only list the runs that are missing, and estimate time and cost on `cluster`."""
    encoders: Annotated[dict[str, str], ModelRef()] = field(default_factory=dict)
    """The encoders that are compared, as they are: names as tables have them, with the models."""
    ours: dict[str, str] = field(default_factory=dict)
    """Those that are pre-trained further: names with those of the encoders that they begin from. Studies of one of them
    take the first."""
    tasks: list[StudyTask] = field(default_factory=lambda: ["mrc", "ner", "wikiann"])
    """What encoders are fine-tuned for; fewshot and temperature take mrc, and convergence, too."""
    seeds: Annotated[list[int], Ge(0)] = field(default_factory=lambda: [0, 1, 2])
    """Of repeated fine-tunings. Pre-training is done once, with the seed of `pretrain`."""
    examples: Annotated[list[int], Ge(1)] = field(default_factory=lambda: [64, 128, 256, 512, 1024])
    """Few-shot: numbers of English examples."""
    samples: Annotated[list[int], Ge(0)] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    """Few-shot: seeds of the samples that are drawn for each number."""
    few_shot_steps: Annotated[int, Ge(1)] = 200
    """Few-shot: steps of a fine-tuning."""
    temperatures: Annotated[list[float], Gt(0)] = field(default_factory=lambda: [0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0])
    """Of the temperature study."""
    temperature_examples: Annotated[int, Ge(1)] = 128
    """English examples that show what a temperature is worth."""
    pretraining_samples: Annotated[list[int], Ge(1)] = field(default_factory=list)
    """Of the data-scale study: numbers of samples that are pre-trained on, besides none."""
    curve_steps: Annotated[list[int], Ge(1)] = field(default_factory=lambda: [50, 100, 200, 400, 800, 1600, 3200])
    """Of the convergence study: steps of fine-tuning whose development scores are drawn, besides the last."""
    pretrain: PretrainConfig = field(default_factory=lambda: PretrainConfig(model="", data=""))
    """What all pre-trainings have in common; the study gives the model, whatever stands there."""
    mrc: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(task="mrc", model="", train="", dev=""))
    """What all fine-tunings for question answering have in common; the study gives the model."""
    ner: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(task="ner", model="", train="", dev=""))
    """Likewise for named entities."""
    wikiann: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(task="ner", model="", train="", dev=""))
    """Likewise for those of WikiAnn."""
    mrc_tests: list[TestSetConfig] = field(default_factory=list)
    """Test sets of question answering, as in jobs/evaluate.py."""
    ner_tests: list[TestSetConfig] = field(default_factory=list)
    """Test sets of named entities."""
    wikiann_tests: list[TestSetConfig] = field(default_factory=list)
    """Test sets of models that were fine-tuned on WikiAnn."""
    max_concurrent: Annotated[int | None, Ge(1)] = None
    """Runs that stand side by side; null: as many as the cluster, as it is now, has room for. Give it where nodes come
    when they are wanted."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Inputs of a forward pass of an evaluation."""
    resamples: Annotated[int, Ge(LEAST_RESAMPLES)] = RESAMPLES
    """How often test examples are drawn anew for intervals and p values."""
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """What a dry run reckons with."""
    estimate: EstimateConfig = field(default_factory=EstimateConfig)
    """How fast it takes runs to be, until some of the kind are finished."""

    def finetuning(self, task: StudyTask) -> FinetuneConfig:
        """Return what fine-tunings of a task have in common."""
        found: FinetuneConfig = getattr(self, task)
        return found

    def evaluation(self, task: StudyTask) -> EvaluateConfig:
        """Return how models of a task are evaluated, each by one copy, for many runs stand side by side; on a GPU where
        they were fine-tuned on GPUs."""
        return EvaluateConfig(
            model="",
            tests=getattr(self, f"{task}_tests"),
            batch_size=self.batch_size,
            workers=1,
            use_gpu=self.finetuning(task).workers.use_gpu,
            resamples=self.resamples,
            register_metrics=False,
        )


def resolved(config: StudyConfig) -> StudyConfig:
    """Return the study with absolute paths, a folder for its output, and versions of models instead of aliases."""
    config = dataclasses.replace(config, output=config.output or str(home() / "studies" / config.scale))
    config = with_absolute_paths(config)
    return dataclasses.replace(config, encoders={name: pin_version(model) for name, model in config.encoders.items()})
