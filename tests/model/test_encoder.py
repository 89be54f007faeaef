"""Encoder and tokenizer in one folder: that they belong together, and have what training needs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import write_encoder

from clism_core.model.encoder import (
    check_max_length,
    embedding_weight,
    inspect_encoder,
    inspect_plain_encoder,
    load_encoder,
    load_plain_encoder,
)
from clism_core.pretraining.model import PretrainingModel
from clism_core.utils.errors import InputError

LOADERS = pytest.mark.parametrize("load", [load_encoder, inspect_encoder])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_encoder("xlmr", tmp_path / "encoder")


@pytest.fixture
def pretrained(folder: Path, tmp_path: Path) -> Path:
    PretrainingModel(load_encoder(str(folder), seed=0), seed=0).save(tmp_path / "pretrained")
    return tmp_path / "pretrained"


def change(file: Path, edit: Callable[[Any], None]) -> None:
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def copy_tokenizer(source: Path, target: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, target / name)


@pytest.mark.parametrize("kind", ["xlmr", "bert", "xlm"])
def test_an_inspected_encoder_has_the_parts_of_a_loaded_one(kind: str, tmp_path: Path) -> None:
    folder = str(write_encoder(kind, tmp_path))
    loaded, inspected = load_encoder(folder, seed=0), inspect_encoder(folder, seed=0)
    assert not loaded.has_que
    assert not inspected.has_que
    for ours, theirs in ((loaded.encoder, inspected.encoder), (loaded.mlm_head, inspected.mlm_head)):
        assert {n: w.shape for n, w in ours.state_dict().items()} == {
            n: w.shape for n, w in theirs.state_dict().items()
        }
        assert all(weight.is_meta for weight in theirs.parameters())
    assert loaded.tokenizer.get_vocab() == inspected.tokenizer.get_vocab()
    assert len(embedding_weight(inspected.encoder)) == len(loaded.tokenizer)


@LOADERS
def test_a_pre_trained_encoder_keeps_its_embedding_of_que(pretrained: Path, load: Any) -> None:
    before = load_encoder(str(pretrained), seed=0)
    que = before.tokenizer.get_vocab()["[QUE]"]
    with torch.no_grad():
        embedding_weight(before.encoder)[que] = 7.0
    before.encoder.save_pretrained(pretrained)
    again = load(str(pretrained), seed=1)
    assert again.has_que
    if load is load_encoder:
        assert torch.equal(embedding_weight(again.encoder)[que], torch.full((16,), 7.0))


@LOADERS
def test_the_tokenizer_of_a_larger_model_is_refused(folder: Path, tmp_path: Path, load: Any) -> None:
    copy_tokenizer(write_encoder("bert", tmp_path / "bert"), folder)
    with pytest.raises(
        InputError, match=r"the tokenizer has 378 tokens, the encoder 155 embeddings.* of different models"
    ):
        load(str(folder), seed=0)


@LOADERS
def test_the_tokenizer_of_a_smaller_model_is_refused(folder: Path, tmp_path: Path, load: Any) -> None:
    bert = write_encoder("bert", tmp_path / "bert")
    copy_tokenizer(folder, bert)
    with pytest.raises(InputError, match=r"the tokenizer has 156 tokens, the encoder 377 embeddings"):
        load(str(bert), seed=0)


@LOADERS
def test_a_tokenizer_without_que_beside_a_pre_trained_encoder_is_refused(
    folder: Path, pretrained: Path, load: Any
) -> None:
    copy_tokenizer(folder, pretrained)
    with pytest.raises(InputError, match=r"config\.json has \[QUE\], the tokenizer does not"):
        load(str(pretrained), seed=0)


@LOADERS
def test_a_tokenizer_with_que_beside_another_encoder_is_refused(folder: Path, pretrained: Path, load: Any) -> None:
    copy_tokenizer(pretrained, folder)
    with pytest.raises(InputError, match=r"the tokenizer has \[QUE\], config\.json does not"):
        load(str(folder), seed=0)


@LOADERS
def test_another_number_of_que_is_refused(pretrained: Path, load: Any) -> None:
    change(pretrained / "config.json", lambda config: config.update(que_token_id=5))
    with pytest.raises(InputError, match=r"\[QUE\] is token 155 of the tokenizer, but token 5 of the 156"):
        load(str(pretrained), seed=0)


@LOADERS
@pytest.mark.parametrize("role", ["pad", "mask"])
def test_a_missing_role_is_named(folder: Path, load: Any, role: str) -> None:
    change(folder / "tokenizer_config.json", lambda config: config.pop(f"{role}_token"))
    with pytest.raises(InputError, match=f"encoder: the tokenizer has no {role}_token"):
        load(str(folder), seed=0)


@LOADERS
def test_a_tokenizer_without_separators_is_refused(folder: Path, load: Any) -> None:
    change(folder / "tokenizer.json", lambda tokenizer: tokenizer.update(post_processor=None))
    with pytest.raises(InputError, match="puts no sep_token between two sentences"):
        load(str(folder), seed=0)


@pytest.mark.parametrize("load", [load_plain_encoder, inspect_plain_encoder])
def test_a_plain_encoder_needs_its_own_tokenizer(folder: Path, tmp_path: Path, load: Any) -> None:
    encoder, tokenizer = load(str(folder))
    assert len(embedding_weight(encoder)) == len(tokenizer)
    copy_tokenizer(write_encoder("bert", tmp_path / "bert"), folder)
    with pytest.raises(InputError, match="of different models"):
        load(str(folder))


@pytest.mark.parametrize(("kind", "positions"), [("xlmr", 128), ("bert", 128), ("xlm", 256)])
def test_inputs_may_be_as_long_as_the_encoder_has_positions(kind: str, positions: int, tmp_path: Path) -> None:
    encoder = inspect_encoder(str(write_encoder(kind, tmp_path)), seed=0).encoder
    check_max_length(encoder, "m", max_length=positions, field="masking.max_length")
    with pytest.raises(
        InputError, match=f"--masking.max_length {positions + 1}: m supports at most {positions} tokens"
    ):
        check_max_length(encoder, "m", max_length=positions + 1, field="masking.max_length")
