"""The runs of a study: chains of a pre-training, a fine-tuning and an evaluation, which share what they have alike."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from clism_core.evaluation.config import EvaluateConfig
from clism_core.experiments.trainings import TRAININGS
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.training.config import WorkersConfig
from clism_core.training.data.loader import INGEST_CPUS
from clism_core.training.resume import with_relative_paths
from clism_core.utils.fields import Incidental, without_fields
from clism_core.utils.storage import join

Label = str | int | float | bool
Kind = Literal["pretrain", "finetune", "evaluate"]
EVALUATION_WORKERS = WorkersConfig(number=1, cpus=1.0 - INGEST_CPUS)
"""What an evaluation takes of the cluster: one copy of its model, on a CPU or, where there are any, a GPU."""
_DIGITS = 12


@dataclass(frozen=True)
class Chain:
    """One point of a study's grid."""

    labels: Mapping[str, Label]
    """What tells it from the others, such as `method`, `task` and `seed`."""
    encoder: str | PretrainConfig
    """What is fine-tuned: a model, or the pre-training that makes it."""
    finetune: FinetuneConfig
    """Its model is that of `encoder`."""
    evaluate: EvaluateConfig | None = None
    """Of the fine-tuned model; None where its development curve is all that is wanted."""


@dataclass(frozen=True)
class Stage:
    """One run of a job, which several chains may need."""

    kind: Kind
    fingerprint: str
    """Of its configuration and of those before it: equal ones are the same run."""
    config: Any
    """Of the job; without a model where `before` gives it."""
    before: str | None
    """The name of the stage whose model it takes."""
    labels: Mapping[str, Label]
    """Of the chains that need it, those that all have."""

    @property
    def name(self) -> str:
        """Its folder's name, such as `finetune-0123456789ab`."""
        return f"{self.kind}-{self.fingerprint}"

    @property
    def workers(self) -> WorkersConfig:
        """What it takes of the cluster."""
        if self.kind == "evaluate":
            return dataclasses.replace(EVALUATION_WORKERS, use_gpu=self.config.use_gpu)
        workers: WorkersConfig = self.config.workers
        return workers

    def folder(self, output: str) -> str:
        """Return where it is in the folder of a study."""
        return join(output, "runs", self.name)


def chain_stages(chain: Chain) -> dict[Kind, Stage]:
    """Return the stages of a chain, one after the other."""
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
    """Return the stages of all chains by name, each once, with the labels that its chains share, and after that which
    it needs."""
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
    if isinstance(config, FinetuneConfig):  # the options of the other tasks do not matter
        fields = {name: value for name, value in fields.items() if name not in config.other_tasks}
    content = json.dumps(with_relative_paths([kind, fields, before.name if before else None]), sort_keys=True)
    fingerprint = hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]
    return Stage(kind, fingerprint, config, before.name if before else None, labels)
