"""Runs of a study: equality, dependencies and order."""

from dataclasses import replace
from pathlib import Path

import pytest

from clism_core.evaluation.config import EvaluateConfig
from clism_core.experiments.studies.run_graph import Chain, all_stages, chain_stages
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.test_data import TestSetConfig
from clism_core.training.config import WorkersConfig
from clism_core.training.loop import LoopConfig

PRETRAIN = PretrainConfig(model="xlm-roberta-base", data="prepared")
FINETUNE = FinetuneConfig(task="mrc", model="", train="train.json", dev="dev.json")
EVALUATE = EvaluateConfig(model="", tests=[TestSetConfig(dataset="xquad", path="xquad.ar.json")])
OURS = Chain({"method": "ours"}, PRETRAIN, FINETUNE, EVALUATE)
BASE = Chain({"method": "base"}, "xlm-roberta-base", FINETUNE, EVALUATE)


def names(chain: Chain) -> list[str]:
    return [stage.name for stage in chain_stages(chain).values()]


def test_each_stage_of_a_chain_depends_on_the_one_before() -> None:
    pretraining, finetuning, evaluation = chain_stages(OURS).values()
    assert [stage.kind for stage in (pretraining, finetuning, evaluation)] == ["pretrain", "finetune", "evaluate"]
    assert (pretraining.before, finetuning.before, evaluation.before) == (None, pretraining.name, finetuning.name)
    assert evaluation.folder("s3://bucket/studies") == f"s3://bucket/studies/runs/{evaluation.name}"
    assert names(replace(OURS, evaluate=None)) == names(OURS)[:2]


def test_a_base_encoder_is_the_model_to_fine_tune() -> None:
    finetuning, evaluation = chain_stages(BASE).values()
    assert (finetuning.config.model, finetuning.before) == ("xlm-roberta-base", None)
    assert evaluation.before == finetuning.name


def test_a_change_of_a_run_changes_the_runs_after_it() -> None:
    longer = replace(OURS, encoder=replace(PRETRAIN, loop=LoopConfig(steps=7)))
    assert not set(names(longer)) & set(names(OURS))
    seed = replace(OURS, finetune=replace(FINETUNE, seed=1))
    assert names(seed)[0] == names(OURS)[0]
    assert not set(names(seed)[1:]) & set(names(OURS)[1:])
    other_tests = replace(
        OURS, evaluate=replace(EVALUATE, tests=[TestSetConfig(dataset="xquad", path="xquad.de.json")])
    )
    assert names(other_tests)[:2] == names(OURS)[:2]
    assert names(other_tests)[2] != names(OURS)[2]


def test_resources_and_folders_do_not_change_a_run() -> None:
    moved = replace(
        PRETRAIN,
        output="elsewhere",
        register=False,
        workers=WorkersConfig(number=8),
        micro_batch_size=2,
        loop=replace(PRETRAIN.loop, log_every=1, checkpoint_every=7),
    )
    other_task = replace(FINETUNE, ner=NerConfig(max_length=64))
    more_copies = replace(EVALUATE, output="elsewhere", workers=4, batch_size=1, resamples=200)
    assert names(Chain({"method": "other"}, moved, other_task, more_copies)) == names(OURS)


def test_a_run_is_the_same_in_another_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names_in(folder: str) -> list[str]:
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        train = str(Path("squad/train.json").absolute())
        return names(replace(BASE, finetune=replace(FINETUNE, train=train)))

    assert names_in("package-1") == names_in("package-2")
    assert names_in("package-3") != names(
        replace(BASE, finetune=replace(FINETUNE, train="/elsewhere/squad/train.json"))
    )


def test_shared_stages_occur_once_and_after_their_dependencies() -> None:
    chains = [
        replace(OURS, labels={**OURS.labels, "seed": 0}),
        BASE,
        replace(OURS, labels={**OURS.labels, "seed": 1}, finetune=replace(FINETUNE, seed=1)),
        replace(OURS, labels={**OURS.labels, "seed": 0}),
    ]
    stages = list(all_stages(chains).values())
    assert [stage.kind for stage in stages] == ["pretrain", *["finetune"] * 3, *["evaluate"] * 3]
    assert stages[0].labels == OURS.labels
    assert stages[2].labels == BASE.labels
    seen: set[str | None] = {None}
    for stage in stages:
        assert stage.before in seen
        seen.add(stage.name)
