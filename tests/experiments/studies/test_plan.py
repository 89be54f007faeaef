"""Finished runs of a study, and changes of their inputs."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from labelled import write_squad
from recorded_study import record, study_config
from tiny import write_encoder, write_prepared

from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.plan import plan_study
from clism_core.utils.errors import InputError

pytestmark = pytest.mark.usefixtures("home_folder")


@pytest.fixture
def config(tmp_path: Path) -> StudyConfig:
    """Study whose runs are all finished."""
    config = study_config(tmp_path, "main")
    pretrain = replace(config.pretrain, data=str(write_prepared(tmp_path / "prepared")))
    encoders = {name: str(write_encoder("xlmr", tmp_path / name)) for name in config.encoders}
    config = replace(config, pretrain=pretrain, encoders=encoders)
    record(config, lambda _: 0.5)
    return config


def folders(config: StudyConfig, *kinds: str, task: str | None = None) -> set[str]:
    stages = plan_study(config).stages.values()
    return {
        stage.folder(config.output)
        for stage in stages
        if stage.kind in kinds and task in (None, stage.labels.get("task"))
    }


def test_runs_with_unchanged_inputs_are_finished(config: StudyConfig) -> None:
    planned = plan_study(config)
    assert len(planned.finished) == len(planned.stages) == 25
    assert planned.missing == []


def test_a_changed_training_file_is_reported_with_the_runs_that_used_it(config: StudyConfig, tmp_path: Path) -> None:
    dependent = folders(config, "finetune", "evaluate", task="mrc")
    write_squad(tmp_path / "train.json", questions=7)
    with pytest.raises(InputError, match=r"train\.json: changed since finished runs of the study") as caught:
        plan_study(config)
    assert {word for word in str(caught.value).split() if "/runs/" in word} == dependent
    for folder in dependent:
        shutil.rmtree(folder)
    assert {stage.folder(config.output) for stage in plan_study(config).missing} == dependent


def test_changed_weights_are_reported_with_all_runs_that_depend_on_them(config: StudyConfig, tmp_path: Path) -> None:
    planned = plan_study(config)
    (tmp_path / "XLM-R" / "model.safetensors").write_bytes(b"others")  # also the base encoder of ours
    with pytest.raises(InputError, match="XLM-R: changed since") as caught:
        plan_study(config)
    unaffected = {
        stage.folder(config.output) for stage in planned.stages.values() if stage.labels.get("method") == "Info-XLM"
    }
    named = {word for word in str(caught.value).split() if "/runs/" in word}
    assert named == {stage.folder(config.output) for stage in planned.stages.values()} - unaffected
    assert len(named) == 17


def test_a_submitted_study_notices_changes_below_its_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submitted(name: str, questions: int) -> StudyConfig:
        monkeypatch.chdir(tmp_path)
        config = study_config(tmp_path / name, "convergence")
        write_squad(tmp_path / name / "train.json", questions=questions)
        monkeypatch.chdir(tmp_path / name)
        return replace(config, output=str(tmp_path / "studies"), tasks=["mrc"])

    record(submitted("first", 4), lambda _: 0.5)
    assert plan_study(submitted("again", 4)).missing == []
    with pytest.raises(InputError, match=r"^train\.json: changed since"):
        plan_study(submitted("changed", 5))


def test_finished_runs_ignore_missing_inputs(config: StudyConfig, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "prepared")
    (tmp_path / "train.json").unlink()
    assert plan_study(config).missing == []
