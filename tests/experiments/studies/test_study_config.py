"""What can be wrong with a study before anything starts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded_study import study_config

from clism_core.experiments.studies.check import check_study
from clism_core.experiments.studies.registry import StudyName
from clism_core.tasks.test_data import TestSetConfig
from clism_core.training.loop import LoopConfig
from clism_core.utils.errors import InputError


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("main", {"encoders": {}}, "--encoders: names no encoder"),
        ("main", {"ours": {}}, "--ours: names nothing that is pre-trained"),
        ("main", {"ours": {"Ours": "XLM"}}, "--ours: begins from XLM, which --encoders does not have"),
        ("main", {"ours": {"XLM-R": "XLM-R"}}, "--ours: has a name of --encoders"),
        ("main", {"seeds": [0, 0]}, "--seeds: has a value twice"),
        ("main", {"seeds": []}, "--seeds: is empty"),
        ("fewshot", {"tasks": ["ner"]}, "--tasks: fewshot needs mrc"),
        ("fewshot", {"samples": []}, "--samples: is empty"),
        ("temperature", {"temperatures": [0.0]}, "--temperatures[0] 0.0: must be above 0"),
        ("data-scale", {"pretraining_samples": []}, "--pretraining_samples: is empty"),
        ("convergence", {"curve_steps": [0]}, "--curve_steps[0] 0: must be at least 1"),
        ("main", {"mrc_tests": []}, "--mrc_tests: names no test set"),
        ("main", {"ner_tests": [TestSetConfig(dataset="xquad", path="x")]}, "--tasks: xquad is a data set of several"),
        ("main", {"resamples": 10}, "--resamples 10: must be at least"),
    ],
)
def test_problems_are_named(tmp_path: Path, name: StudyName, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        check_study(replace(study_config(tmp_path, name), **changes))
    assert told in str(error.value)


def test_what_a_job_finds_wrong_has_the_name_that_it_has_here(tmp_path: Path) -> None:
    config = study_config(tmp_path, "main")
    wrong = replace(
        config,
        pretrain=replace(config.pretrain, loop=LoopConfig(steps=0)),
        mrc=replace(config.mrc, train=""),
        ner=replace(config.ner, task="mrc"),
    )
    with pytest.raises(InputError) as error:
        check_study(wrong)
    for told in (
        "--pretrain.loop.steps 0: must be at least 1",
        "--mrc.train: names no data",
        "--ner.task mrc: must be ner",
    ):
        assert told in str(error.value)


def test_a_convergence_study_needs_no_test_sets(tmp_path: Path) -> None:
    check_study(replace(study_config(tmp_path, "convergence"), mrc_tests=[], ner_tests=[]))
