"""The notice of a model, from its configuration to the tables of models trained from it."""

from pathlib import Path

import pytest
from tiny import write_encoder
from transformers import AutoModel

from clism_core.model.notice import NOTICE, model_notice, with_notice


def write_noticed(folder: Path, notice: str) -> Path:
    """Write an encoder with a notice."""
    encoder = AutoModel.from_pretrained(write_encoder("bert", folder))
    setattr(encoder.config, NOTICE, notice)
    encoder.save_pretrained(folder)
    return folder


def test_a_model_saved_again_keeps_its_notice(tmp_path: Path) -> None:
    AutoModel.from_pretrained(write_noticed(tmp_path / "first", "Random.")).save_pretrained(tmp_path / "second")
    assert model_notice(tmp_path / "second") == "Random."


@pytest.mark.parametrize("place", ["encoder", "missing"])
def test_models_without_a_notice(tmp_path: Path, place: str) -> None:
    write_encoder("bert", tmp_path / "encoder")
    assert model_notice(tmp_path / place) == ""
    assert with_notice("| a |", tmp_path / place) == "| a |"


def test_a_table_of_several_models_has_each_notice_once(tmp_path: Path) -> None:
    folders = [
        write_noticed(tmp_path / name, notice) for name, notice in {"a": "One.", "b": "Two.", "c": "One."}.items()
    ]
    assert with_notice("| a |", *folders) == "**One.**\n\n**Two.**\n\n| a |"
