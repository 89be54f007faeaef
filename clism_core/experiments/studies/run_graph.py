"""Runs of a study: chains of pre-training, fine-tuning and evaluation; chains share equal stages."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from clism_core.evaluation.config import EvaluateConfig
from clism_core.experiments.concurrency import DATA_CPUS
from clism_core.experiments.trainings import TRAININGS
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.training.config import WorkersConfig
from clism_core.training.resume import with_relative_paths
from clism_core.utils.fields import Incidental, without_fields
from clism_core.utils.storage import join

Label = str | int | float | bool
Kind = Literal["pretrain", "finetune", "evaluate"]
EVALUATION_WORKERS = WorkersConfig(number=1, cpus=1.0 - DATA_CPUS)
"""Resources of an evaluation: one copy of the model, on one CPU or GPU."""
_DIGITS = 12


@dataclass(frozen=True)
class Chain:
    """Point of a study's grid."""

    labels: Mapping[str, Label]
    """Labels that identify the chain, such as `method`, `task` and `seed`."""
    encoder: str | PretrainConfig
    """Encoder to fine-tune: a model, or the pre-training that produces it."""
    finetune: FinetuneConfig
    """Fine-tuning; its model is set to `encoder`."""
    evaluate: EvaluateConfig | None = None
    """Evaluation of the fine-tuned model; None if only development scores are needed."""


@dataclass(frozen=True)
class Stage:
    """Run of a job, possibly shared by several chains."""

    kind: Kind
    fingerprint: str
    """Digest of its configuration and of the stages before it; equal fingerprints are the same run."""
    config: Any
    """Configuration of the job; without a model if the stage `before` produces it."""
    before: str | None
    """Name of the stage whose model it uses; None if there is none."""
    labels: Mapping[str, Label]
    """Labels shared by all chains that contain the stage."""

    @property
    def name(self) -> str:
        """Name of the stage and of its folder, such as `finetune-0123456789ab`."""
        return f"{self.kind}-{self.fingerprint}"

    @property
    def workers(self) -> WorkersConfig:
        """Workers of the run, with their resources."""
        if self.kind == "evaluate":
            return dataclasses.replace(EVALUATION_WORKERS, use_gpu=self.config.use_gpu)
        workers: WorkersConfig = self.config.workers
        return workers

    def folder(self, output: str) -> str:
        """Return the folder of the run in the output folder of a study."""
        return join(output, "runs", self.name)


def chain_stages(chain: Chain) -> dict[Kind, Stage]:
    """Return the stages of a chain in order."""
    stages: dict[Kind, Stage] = {}
    before: Stage | None = None
    finetuning = chain.finetune
    if isinstance(chain.encoder, str):
        finetuning = dataclasses.replace(finetuning, model=chain.encoder)
    else:
        before = stages["pretrain"] = _stage("pretrain", chain.encoder, None, chain.labels)
    before = stages["finetune"] = _stage("finetune", finetuning, before, chain.labels)
    if chain.evaluate is not None:
        stages["evaluate"] = _stage("evaluate", chain.evaluate, before, chain.labels)
    return stages


def all_stages(chains: Iterable[Chain]) -> dict[str, Stage]:
    """Return the distinct stages of all chains by name, each after the one it depends on, with the labels that its
    chains share."""
    stages: dict[str, Stage] = {}
    for chain in chains:
        for stage in chain_stages(chain).values():
            labels = stages.get(stage.name, stage).labels.items()
            shared = {name: value for name, value in labels if chain.labels.get(name) == value}
            stages[stage.name] = dataclasses.replace(stage, labels=shared)
    order = (*TRAININGS, "evaluate")
    return dict(sorted(stages.items(), key=lambda item: order.index(item[1].kind)))


def _stage(kind: Kind, config: Any, before: Stage | None, labels: Mapping[str, Label]) -> Stage:
    fields = without_fields(config, Incidental)
    if isinstance(config, FinetuneConfig):  # options of other tasks do not affect the run
        fields = {name: value for name, value in fields.items() if name not in config.other_tasks}
    content = json.dumps(with_relative_paths([kind, fields, before.name if before else None]), sort_keys=True)
    fingerprint = hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]
    return Stage(kind, fingerprint, config, before.name if before else None, labels)
