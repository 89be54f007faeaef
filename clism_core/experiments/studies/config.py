"""Configuration of the studies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

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
"""Names of fine-tunings, which are also the fields that configure them. wikiann: NER on the English part of WikiAnn."""
TASKS: Mapping[StudyTask, TaskName] = {"mrc": "mrc", "ner": "ner", "wikiann": "ner"}


@dataclass
class StudyConfig:
    """A study: an experiment of the paper as a grid of runs, with its tables and figures."""

    name: StudyName
    """main: table 2. per-language: tables 5 to 8. fewshot: tables 3 and 9, figure 4(b). ablation: table 4. convergence:
    figure 4(a). data-scale: figure 5. temperature: effect of CACR's temperature on its gradient, on retrieval and on
    few-shot scores, which the paper does not report."""
    scale: Scale = "demo"
    """Preset that the other fields default to, from jobs/configs/study-*.yaml: demo (generated data, minutes) or
    paper."""
    output: Annotated[str, Output()] = ""
    """Folder for runs, tables and figures; may be on s3://. Studies with the same folder share their runs, and finished
    runs are not repeated. Empty: CLISM_HOME/studies/SCALE."""
    dry_run: bool = False
    """Whether to only list the missing runs and estimate their time and cost on `cluster`."""
    encoders: Annotated[dict[str, str], ModelRef()] = field(default_factory=dict)
    """Base encoders to compare: models by their names in tables."""
    ours: dict[str, str] = field(default_factory=dict)
    """Our methods, which pre-train a base encoder further: name of the base encoder by name of the method. Studies
    of a single method use the first one."""
    tasks: list[StudyTask] = field(default_factory=lambda: ["mrc", "ner", "wikiann"])
    """Tasks to fine-tune for; fewshot, temperature and convergence use only mrc."""
    seeds: Annotated[list[int], Ge(0)] = field(default_factory=lambda: [0, 1, 2])
    """Seeds of repeated fine-tunings. Pre-training runs once, with the seed of `pretrain`."""
    examples: Annotated[list[int], Ge(1)] = field(default_factory=lambda: [64, 128, 256, 512, 1024])
    """Few-shot: sizes of the samples of English examples."""
    samples: Annotated[list[int], Ge(0)] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    """Few-shot: seeds of the samples drawn for each size."""
    few_shot_steps: Annotated[int, Ge(1)] = 200
    """Few-shot: steps of each fine-tuning."""
    temperatures: Annotated[list[float], Gt(0)] = field(default_factory=lambda: [0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0])
    """Temperature study: temperatures of CACR."""
    temperature_examples: Annotated[int, Ge(1)] = 128
    """Temperature study: size of the few-shot samples."""
    pretraining_samples: Annotated[list[int], Ge(1)] = field(default_factory=list)
    """Data-scale study: numbers of pre-training samples to compare with no pre-training."""
    curve_steps: Annotated[list[int], Ge(1)] = field(default_factory=lambda: [50, 100, 200, 400, 800, 1600, 3200])
    """Convergence study: fine-tuning steps at which the development data are evaluated, besides the last."""
    pretrain: PretrainConfig = field(default_factory=lambda: PretrainConfig(model="", data=""))
    """Settings shared by all pre-trainings; `model` is set by the study."""
    mrc: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(task="mrc", model="", train="", dev=""))
    """Settings shared by all fine-tunings for question answering; `model` is set by the study."""
    ner: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(task="ner", model="", train="", dev=""))
    """Settings shared by all fine-tunings for named entities."""
    wikiann: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(task="ner", model="", train="", dev=""))
    """Settings shared by all fine-tunings on WikiAnn."""
    mrc_tests: list[TestSetConfig] = field(default_factory=list)
    """Test sets for question answering, as in jobs/evaluate.py."""
    ner_tests: list[TestSetConfig] = field(default_factory=list)
    """Test sets for named entities."""
    wikiann_tests: list[TestSetConfig] = field(default_factory=list)
    """Test sets for models fine-tuned on WikiAnn."""
    max_concurrent: Annotated[int | None, Ge(1)] = None
    """Maximum number of concurrent runs; null: as many as fit in the cluster now. Set it on autoscaling clusters."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Inputs per forward pass in evaluations."""
    resamples: Annotated[int, Ge(LEAST_RESAMPLES)] = RESAMPLES
    """Number of resamples of the test examples, for intervals and p values."""
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """Cluster that a dry run assumes."""
    estimate: EstimateConfig = field(default_factory=EstimateConfig)
    """Speeds that a dry run assumes for kinds of runs of which none is finished."""

    def finetuning(self, task: StudyTask) -> FinetuneConfig:
        """Return the settings shared by all fine-tunings of a task."""
        config: FinetuneConfig = getattr(self, task)
        return config

    def without_unused_tasks(self) -> Self:
        """Return the study without the data and models of tasks that it does not fine-tune for."""
        unused: dict[str, Any] = {}
        for task in TASKS.keys() - set(self.tasks):
            unused[task] = FinetuneConfig(task=TASKS[task], model="", train="", dev="")
            unused[f"{task}_tests"] = []
        return dataclasses.replace(self, **unused)

    def evaluation(self, task: StudyTask) -> EvaluateConfig:
        """Return the evaluation of a task's models: by one worker, because many runs are concurrent, on a GPU if the
        fine-tuning uses GPUs."""
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
    """Return the study with absolute paths, an output folder, and pinned versions instead of model aliases."""
    config = dataclasses.replace(config, output=config.output or str(home() / "studies" / config.scale))
    config = with_absolute_paths(config)
    return dataclasses.replace(config, encoders={name: pin_version(model) for name, model in config.encoders.items()})
