from pathlib import Path

import pytest

from clism_core.evaluation.config import EvaluateConfig
from clism_core.experiments.studies.config import StudyConfig
from clism_core.model.paths import shared_inputs, with_absolute_paths
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.mixture import DataSetConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.hub import HubSplit
from clism_core.tasks.test_data import TestSetConfig


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a model and two data sets in it."""
    for name in ("encoder", "first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "train.json").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_paths_of_a_training_become_absolute(folder: Path) -> None:
    given = FinetuneConfig(
        task="mrc", model="encoder", train=["train.json", HubSplit("squad", "train")], dev="dev/*.json", output="run"
    )
    found = with_absolute_paths(given)
    assert (found.model, found.dev, found.output) == (f"{folder}/encoder", f"{folder}/dev/*.json", f"{folder}/run")
    assert found.train == [f"{folder}/train.json", HubSplit("squad", "train")]
    assert (found.task, found.language, found.encoding) == (given.task, given.language, given.encoding)


def test_data_sets_keep_their_weights(folder: Path) -> None:
    given = PretrainConfig(model="m", data=[DataSetConfig("first", 2.0), DataSetConfig("s3://bucket/second/", 0.5)])
    assert with_absolute_paths(given).data == [
        DataSetConfig(f"{folder}/first", 2.0),
        DataSetConfig("s3://bucket/second", 0.5),
    ]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("model", ["", "xlm-roberta-base", "models:/clism-encoder@champion", "s3://bucket/encoder"])
def test_names_of_models_and_empty_paths_stay(model: str) -> None:
    given = FinetuneConfig(task="mrc", model=model, train="", dev="")
    assert with_absolute_paths(given) == given


def test_groups_lists_and_dictionaries_are_followed(folder: Path) -> None:
    given = StudyConfig(
        name="main",
        encoders={"A": "encoder", "B": "bert-base-cased"},
        mrc=FinetuneConfig(task="mrc", model="", train="train.json", dev=""),
        mrc_tests=[TestSetConfig("xquad", "x.json"), TestSetConfig("xquad", HubSplit("google/xquad", "validation"))],
    )
    found = with_absolute_paths(given)
    assert found.encoders == {"A": f"{folder}/encoder", "B": "bert-base-cased"}
    assert (found.mrc.train, found.mrc.dev) == (f"{folder}/train.json", "")
    assert [test.path for test in found.mrc_tests] == [f"{folder}/x.json", HubSplit("google/xquad", "validation")]


@pytest.mark.usefixtures("folder")
def test_nodes_see_models_and_prepared_data_but_no_labelled_files() -> None:
    pretrain = PretrainConfig(model="encoder", data=[DataSetConfig("first"), DataSetConfig("second")])
    finetune = FinetuneConfig(task="mrc", model="encoder", train="train.json", dev="first")
    evaluate = EvaluateConfig(model="bert-base-cased", tests=[TestSetConfig("xquad", "train.json")])
    assert shared_inputs(pretrain) == ["encoder", "first", "second"]
    assert shared_inputs(finetune, evaluate, finetune) == ["encoder"]
