"""Identities of runs, sweeps and stages equal those of released versions, whose runs can then be resumed.

An unfinished sweep of a version with other modules cannot, because Ray Tune pickles its state.
"""

import json
from dataclasses import replace
from pathlib import Path

from clism_core.evaluation.config import EvaluateConfig
from clism_core.experiments.studies.run_graph import Chain, chain_stages
from clism_core.experiments.tuning.config import TuneConfig
from clism_core.experiments.tuning.space import Space
from clism_core.experiments.tuning.sweep import sweep_identity
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.identity import config_identity
from clism_core.pretraining.mixture import DataSetConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.finetune import run_identity
from clism_core.tasks.hub import HubSplit
from clism_core.tasks.test_data import TestSetConfig
from clism_core.training.config import WorkersConfig
from clism_core.training.loop import CadenceConfig, LoopConfig

RECORDED = json.loads(Path(__file__).with_name("identities.json").read_text())
"""Written by an earlier version, which listed the fields outside the identity by name."""

CADENCE = {"evaluate_every": 7, "checkpoint_every": 8, "evaluate_at": [1, 2], "log_every": 9}
PRETRAIN = PretrainConfig(
    model="xlm-roberta-base",
    data="/data/prepared",
    output="/runs/a",
    pairs_per_sample={0.0: 1, 0.6: 4},
    micro_batch_size=8,
    max_samples=5000,
    precision="bf16",
    export="best",
    register=False,
    loop=LoopConfig(**CADENCE, steps=70),  # type: ignore[arg-type]
    workers=WorkersConfig(number=2),
)
MIXTURE = replace(PRETRAIN, data=[DataSetConfig("/data/first", 2.0), DataSetConfig("/data/second")])
MRC = FinetuneConfig(
    task="mrc",
    model="models:/clism-encoder/3",
    train=["/data/train.json", HubSplit("rajpurkar/squad", "train")],
    dev="/data/dev.json",
    output="/runs/b",
    examples=64,
    steps=200,
    micro_batch_size=4,
    precision="fp16",
    export="last",
    register=False,
    loop=CadenceConfig(**CADENCE),  # type: ignore[arg-type]
    workers=WorkersConfig(number=2),
)
NER = replace(MRC, task="ner", train="/data/eng.train", dev="/data/eng.testa")
EVALUATE = EvaluateConfig(
    model="",
    tests=[
        TestSetConfig(dataset="xquad", path="/data/xquad.ar.json"),
        TestSetConfig(dataset="xquad", path=HubSplit("google/xquad", "validation", "xquad.hi"), language="hi"),
    ],
    output="/runs/c",
    batch_size=8,
    workers=2,
    use_gpu=False,
    resamples=500,
    register_metrics=False,
)


def test_runs() -> None:
    assert config_identity(PRETRAIN) == RECORDED["run"]["pretrain"]
    assert config_identity(MIXTURE) == RECORDED["run"]["mixture"]
    assert run_identity(MRC) == RECORDED["run"]["mrc"]
    assert run_identity(NER) == RECORDED["run"]["ner"]


def test_sweeps() -> None:
    space = Space(job="joint", parameters={}, metrics=())
    for name, pretraining, finetuning in (("first", PRETRAIN, MRC), ("second", MIXTURE, NER)):
        config = TuneConfig(space="mine", pretrain=pretraining, finetune=finetuning)
        identity = sweep_identity(config, space, config.bases(space))
        fields = {key: value for key, value in identity.items() if key.split(".")[0] in ("pretrain", "finetune")}
        assert fields == RECORDED["sweep"][name]


def test_stages_of_studies() -> None:
    chains = {
        "mrc": Chain({}, PRETRAIN, MRC, EVALUATE),
        "ner": Chain({}, "xlm-roberta-base", NER, EVALUATE),
        "mixture": Chain({}, MIXTURE, NER, EVALUATE),
    }
    assert {name: [stage.name for stage in chain_stages(chain).values()] for name, chain in chains.items()} == (
        RECORDED["study"]
    )
