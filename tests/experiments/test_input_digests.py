"""Digests of inputs: different for different content, equal for equal content in another place."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from labelled import write_conll, write_squad
from tiny import write_encoder, write_prepared

from clism_core.evaluation.config import EvaluateConfig
from clism_core.experiments.input_digests import InputDigests
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.mixture import DataSetConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.hub import HubSplit
from clism_core.tasks.test_data import TestSetConfig
from clism_core.utils.errors import InputError


def digests(config: object) -> list[str]:
    return list(InputDigests().of(config).values())


def test_digest_of_prepared_data_covers_samples(tmp_path: Path) -> None:
    first, second = (str(write_prepared(tmp_path / name)) for name in ("first", "second"))
    one = PretrainConfig(model="xlm-roberta-base", data=first)
    both = replace(one, data=[DataSetConfig(path=first), DataSetConfig(path=second, weight=2.0)])
    assert list(InputDigests().of(both)) == [first, second]
    assert len(set(digests(both))) == 1
    manifest = Path(second, "manifest.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"content": "another"}))
    assert digests(both) == [*digests(one), "another"]


def test_digest_of_a_model_covers_weights_only(tmp_path: Path) -> None:
    folder = write_encoder("xlmr", tmp_path / "encoder")
    config = FinetuneConfig(task="mrc", model=str(folder), train="", dev="")
    before = digests(config)
    assert len(before) == 1
    (folder / "README.md").write_text("A card.")
    assert digests(config) == before
    (folder / "model.safetensors").write_bytes(b"others")
    assert digests(config) != before


def test_digest_of_labelled_data_covers_names_and_bytes_of_files(tmp_path: Path) -> None:
    train, dev = write_squad(tmp_path / "train.json"), write_squad(tmp_path / "dev.json", questions=3)
    config = FinetuneConfig(task="mrc", model="", train=[str(train), HubSplit("squad", "train")], dev=str(dev))
    before = InputDigests().of(config)
    assert list(before) == [str(train), str(dev)]
    (tmp_path / "moved").mkdir()
    for file in (train, dev):
        shutil.copy(file, tmp_path / "moved")
    moved = replace(config, train=str(tmp_path / "moved" / "train.json"), dev=str(tmp_path / "moved" / "dev.json"))
    assert digests(moved) == list(before.values())
    write_squad(train, questions=4)
    after = InputDigests().of(config)
    assert [path for path in before if after[path] != before[path]] == [str(train)]


@pytest.mark.parametrize("path", ["test.*.conll", ""], ids=["glob", "folder"])
def test_digest_of_test_sets_covers_all_files(tmp_path: Path, path: str) -> None:
    for language in ("en", "ar"):
        write_conll(tmp_path / f"test.{language}.conll")
    config = EvaluateConfig(model="", tests=[TestSetConfig(dataset="conll", path=str(tmp_path / path))])
    before = digests(config)
    assert len(before) == 1
    (tmp_path / "test.ar.conll").rename(tmp_path / "test.hi.conll")  # another language
    renamed = digests(config)
    write_conll(tmp_path / "test.de.conll")
    assert len({*before, *renamed, *digests(config)}) == 3


def test_missing_paths_and_registry_models_have_no_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mrc").touch()  # named as the task, but not an input
    for model in ("", "xlm-roberta-base", "models:/clism-encoder/3", str(tmp_path / "absent")):
        assert InputDigests().of(FinetuneConfig(task="mrc", model=model, train="absent.json", dev="")) == {}


def test_a_file_is_read_once(tmp_path: Path) -> None:
    train = write_squad(tmp_path / "train.json")
    config = FinetuneConfig(task="mrc", model="", train=str(train), dev="")
    inputs = InputDigests()
    before = inputs.of(config)
    train.unlink()
    assert inputs.of(replace(config, seed=1)) == before != {}


def test_unreadable_inputs_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(paths: list[str]) -> str:
        raise PermissionError(paths[0])

    monkeypatch.setattr("clism_core.experiments.input_digests.named_files_digest", refuse)
    train = write_squad(tmp_path / "train.json")
    with pytest.raises(InputError, match=r"train\.json cannot be read"):
        InputDigests().of(FinetuneConfig(task="mrc", model="", train=str(train), dev=""))
