"""Checks of a study before anything starts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded_study import study_config

from clism_core.experiments.studies.check import check_study
from clism_core.experiments.studies.config import StudyTask
from clism_core.experiments.studies.registry import StudyName
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.test_data import TestSetConfig
from clism_core.training.loop import LoopConfig
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Input, walk


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("main", {"encoders": {}}, "--encoders: empty"),
        ("main", {"ours": {}}, "--ours: empty"),
        ("main", {"ours": {"Ours": "XLM"}}, "--ours: base encoder XLM not found in --encoders"),
        ("main", {"ours": {"XLM-R": "XLM-R"}}, "--ours: shares a name with --encoders"),
        ("main", {"seeds": [0, 0]}, "--seeds: contains a duplicate value"),
        ("main", {"seeds": []}, "--seeds: empty, but required by main"),
        ("fewshot", {"tasks": ["ner"]}, "--tasks: fewshot needs mrc"),
        ("fewshot", {"samples": []}, "--samples: empty, but required by fewshot"),
        ("temperature", {"temperatures": [0.0]}, "--temperatures[0] 0.0: must be above 0"),
        ("data-scale", {"pretraining_samples": []}, "--pretraining_samples: empty, but required by data-scale"),
        ("convergence", {"curve_steps": [0]}, "--curve_steps[0] 0: must be at least 1"),
        ("main", {"mrc_tests": []}, "--mrc_tests: empty; give at least one test set"),
        ("main", {"ner_tests": [TestSetConfig(dataset="xquad", path="x")]}, "--tasks: xquad names test sets of"),
        ("main", {"resamples": 10}, "--resamples 10: must be at least"),
    ],
)
def test_problems_are_reported(tmp_path: Path, name: StudyName, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        check_study(replace(study_config(tmp_path, name), **changes))
    assert message in str(error.value)


def test_problems_of_a_job_have_the_field_names_of_the_study(tmp_path: Path) -> None:
    config = study_config(tmp_path, "main")
    wrong = replace(
        config,
        pretrain=replace(config.pretrain, loop=LoopConfig(steps=0)),
        mrc=replace(config.mrc, train=""),
        ner=replace(config.ner, task="mrc"),
    )
    with pytest.raises(InputError) as error:
        check_study(wrong)
    for message in (
        "--pretrain.loop.steps 0: must be at least 1",
        "--mrc.train: missing; give a file, a folder or a glob",
        "--ner.task mrc: must be ner",
    ):
        assert message in str(error.value)


def test_a_convergence_study_needs_no_test_sets(tmp_path: Path) -> None:
    check_study(replace(study_config(tmp_path, "convergence"), mrc_tests=[], ner_tests=[]))


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        pytest.param(["ner"], ["encoder", "prepared", "ner", "ner-test"], id="one"),
        pytest.param(["mrc", "ner"], ["encoder", "prepared", "mrc", "ner", "mrc-test", "ner-test"], id="two"),
    ],
)
def test_inputs_are_those_of_the_tasks(tmp_path: Path, tasks: list[StudyTask], expected: list[str]) -> None:
    config = replace(
        study_config(tmp_path, "main"),
        encoders={"base": "encoder"},
        mrc=FinetuneConfig(task="mrc", model="", train="mrc", dev="mrc"),
        ner=FinetuneConfig(task="ner", model="", train="ner", dev="ner"),
        wikiann=FinetuneConfig(task="ner", model="", train="wikiann", dev="wikiann"),
        mrc_tests=[TestSetConfig(dataset="m", path="mrc-test")],
        ner_tests=[TestSetConfig(dataset="n", path="ner-test")],
        wikiann_tests=[TestSetConfig(dataset="w", path="wikiann-test")],
        tasks=tasks,
    ).without_unused_tasks()
    inputs = [field.value for field in walk(config) if field.is_marked(Input) and isinstance(field.value, str)]
    assert list(dict.fromkeys(filter(None, inputs))) == expected
