"""What a finished run says when its output folder is given again, and its card."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from labelled import write_squad

from clism_core.tasks.finetuning.card import task_card
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.data import load_data
from clism_core.tasks.finetuning.finetune import Finetuned, run_identity, sources_identity
from clism_core.tasks.finetuning.training import FINETUNING
from clism_core.tasks.hub import HubSplit
from clism_core.training.checkpoint_store import SavedCheckpoint
from clism_core.training.config import CONFIG_FILE, dump_config
from clism_core.training.export import ExportedModel
from clism_core.training.resume import save_identity
from clism_core.utils.errors import InputError

EXPORTED = ExportedModel("m", "models:/clism-mrc/1", "sqlite:///m.db", "id", "best", 24, 12, "| f1 |")


def write_model(folder: Path, *, weights: bytes = b"w") -> str:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return str(folder)


@pytest.fixture
def finished(tmp_path: Path) -> FinetuneConfig:
    """The configuration of a finished run."""
    config = FinetuneConfig(
        task="mrc",
        model=write_model(tmp_path / "encoder"),
        train=str(write_squad(tmp_path / "train.json")),
        dev=str(write_squad(tmp_path / "dev.json", questions=4, first=20)),
        output=str(tmp_path / "out"),
    )
    save_identity(config.output, run_identity(config) | sources_identity(load_data(config), config.model))
    (tmp_path / "out" / CONFIG_FILE).write_text(dump_config(config))
    EXPORTED.write(config.output)
    return config


def test_a_finished_run_is_not_repeated(finished: FinetuneConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    Path(str(finished.train)).unlink()  # nor are its data read
    assert FINETUNING.find_finished(finished) == EXPORTED
    assert f"the run in {finished.output} is already finished" in caplog.text
    assert FINETUNING.find_finished(replace(finished, export="last")) is None
    with pytest.raises(InputError, match="another seed"):
        FINETUNING.find_finished(replace(finished, seed=1))


def test_data_and_model_may_move(finished: FinetuneConfig, tmp_path: Path) -> None:
    shutil.move(str(finished.train), tmp_path / "moved.json")
    shutil.move(finished.model, tmp_path / "moved")
    moved = replace(finished, train=str(tmp_path / "moved.json"), model=str(tmp_path / "moved"))
    assert FINETUNING.find_finished(moved) == EXPORTED


def test_another_initial_model_makes_another_run(finished: FinetuneConfig, tmp_path: Path) -> None:
    """Also one of the same architecture and vocabulary: users compare two encoders."""
    with pytest.raises(InputError, match="another model;"):
        FINETUNING.find_finished(replace(finished, model=write_model(tmp_path / "other", weights=b"v")))


def test_other_data_makes_another_run(finished: FinetuneConfig, tmp_path: Path) -> None:
    other = str(write_squad(tmp_path / "other.json", questions=13))
    with pytest.raises(InputError, match="another train;"):
        FINETUNING.find_finished(replace(finished, train=other))
    with pytest.raises(InputError, match="another dev;"):
        FINETUNING.find_finished(replace(finished, dev=other))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({}, ["selected on 4 examples of `d.json`", "selected by this F1"], id="best"),
        pytest.param({"export": "last"}, ["evaluated on 4 examples of `d.json`"], id="last"),
        pytest.param({"train": ["t.json", HubSplit("squad", "train")]}, ["`t.json`, `squad/train`"], id="two-sources"),
        pytest.param({"examples": 12, "sample_seed": 3}, ["(few-shot: drawn with seed 3)"], id="few-shot"),
    ],
)
def test_the_card_describes_the_training(changes: dict[str, Any], said: list[str]) -> None:
    config = replace(FinetuneConfig(task="mrc", model="m", train="t.json", dev="d.json"), **changes)
    trained = Finetuned(
        True,
        24,
        SavedCheckpoint("/nowhere", 24, {}, {}),
        {"en/f1": 81.26},
        load_initial=pytest.fail,
        examples=12,
        dev_examples=4,
    )
    card = task_card(config, trained)
    assert all(words in card for words in [*said, "24 steps", "12 examples", "81.3"])
    assert ("selected by this F1" in card) == (config.export == "best")
