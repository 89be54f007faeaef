"""Models that transformers would load without a word: what is missing or foreign is an error that names it."""

import ast
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import write_encoder
from transformers import AutoModel, AutoModelForMaskedLM

from clism_core.model.pretrained import empty_model, inspect_model, load_config, load_model, load_raw_tokenizer
from clism_core.utils.errors import InputError

ROOT = Path(__file__).parents[2]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1024\n"
LOADERS = pytest.mark.parametrize("load", [load_model, inspect_model])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_encoder("xlmr", tmp_path / "encoder")


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file)


def change_config(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize("kind", ["xlmr", "bert", "xlm"])
@pytest.mark.parametrize("model_class", [AutoModel, AutoModelForMaskedLM])
def test_an_encoder_is_loaded_and_inspected(kind: str, model_class: Any, tmp_path: Path) -> None:
    folder = write_encoder(kind, tmp_path)
    loaded, inspected = load_model(model_class, str(folder)), inspect_model(model_class, str(folder))
    assert all(parameter.is_meta for parameter in inspected.parameters())
    assert {name: weight.shape for name, weight in loaded.state_dict().items()} == {
        name: weight.shape for name, weight in inspected.state_dict().items()
    }
    saved = load_file(folder / "model.safetensors")
    ours = {name: weight for name, weight in loaded.base_model.state_dict().items() if name in saved}
    assert len(ours) >= 30
    assert all(torch.equal(weight, saved[name]) for name, weight in ours.items())


@LOADERS
def test_a_pooler_may_be_missing(folder: Path, load: Any) -> None:
    change_weights(folder, lambda weights: {n: weight for n, weight in weights.items() if "pooler" not in n})
    load(AutoModel, str(folder))


def _prefixed(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"module.{name}": weight for name, weight in weights.items()}


def _without_last_layer(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in weights.items() if "layer.1." not in name}


def _without_embeddings(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in weights.items() if "word_embeddings" not in name}


@LOADERS
@pytest.mark.parametrize("model_class", [AutoModel, AutoModelForMaskedLM])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(_prefixed, r"missing: 3[79] \(.*unexpected: 3[79] \(module\.embeddings", id="prefix"),
        pytest.param(_without_last_layer, r"missing: 16 \(.*layer\.1\.attention", id="layer"),
        pytest.param(_without_embeddings, r"missing: 1 \(.*word_embeddings\.weight\)", id="embeddings"),
    ],
)
def test_missing_weights_are_named(folder: Path, load: Any, model_class: Any, change: Any, message: str) -> None:
    change_weights(folder, change)
    with pytest.raises(InputError, match=f"encoder: its weights do not fit its config.json: {message}"):
        load(model_class, str(folder))


@LOADERS
@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {"vocab_size": 100}, r"word_embeddings\.weight is \(155, 16\) instead of \(100, 16\)", id="vocabulary"
        ),
        pytest.param({"hidden_size": 32}, r"of another shape: 3\d", id="width"),
        pytest.param({"num_hidden_layers": 3}, r"missing: 16 \(.*layer\.2\.", id="more-layers"),
        pytest.param({"num_hidden_layers": 1}, r"unexpected: 16 \(.*layer\.1\.", id="fewer-layers"),
        pytest.param({"model_type": "bert"}, r"of another shape|missing", id="architecture"),
        pytest.param({"hidden_size": "wide"}, r"config\.json cannot be loaded.*hidden_size", id="type"),
        pytest.param({"num_attention_heads": 3}, "not a multiple of the number of attention heads", id="heads"),
    ],
)
def test_a_configuration_of_another_model_is_an_error(
    folder: Path, load: Any, values: dict[str, Any], message: str
) -> None:
    if values == {"model_type": "bert"}:
        change_config(folder, type_vocab_size=3)
    change_config(folder, **values)
    with pytest.raises(InputError, match=message):
        load(AutoModel, str(folder))


def test_layers_may_be_left_out_on_purpose(folder: Path) -> None:
    for load in (load_model, inspect_model):
        names = load(AutoModel, str(folder), num_hidden_layers=1).state_dict()
        assert {name.split(".")[2] for name in names if name.startswith("encoder.layer.")} == {"0"}


@LOADERS
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(lambda _: POINTER, "a Git LFS pointer, not the file itself", id="pointer"),
        pytest.param(lambda whole: whole[: len(whole) // 2], "incomplete metadata", id="truncated"),
        pytest.param(lambda whole: whole[:10], "header", id="header-truncated"),
        pytest.param(lambda _: b"", "header too small", id="empty"),
        pytest.param(lambda whole: b"\xff" * 8 + whole[8:], "header too large", id="header-length"),
        pytest.param(lambda whole: whole[:20] + b"\xff\xfe" + whole[22:], "header", id="header-bytes"),
    ],
)
def test_damaged_weights_are_an_error(folder: Path, load: Any, content: Callable[[bytes], bytes], message: str) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(content(file.read_bytes()))
    with pytest.raises(InputError, match=message):
        load(AutoModel, str(folder))


@LOADERS
def test_a_folder_without_weights_is_an_error(folder: Path, load: Any) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"has no weights: neither model\.safetensors nor pytorch_model\.bin"):
        load(AutoModel, str(folder))


@LOADERS
def test_a_missing_shard_is_named(folder: Path, load: Any) -> None:
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"embeddings.word_embeddings.weight": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"model-00002-of-00002\.safetensors of .*index\.json is missing"):
        load(AutoModel, str(folder))


@LOADERS
@pytest.mark.parametrize("as_zip", [True, False])
def test_weights_in_a_pickle_are_read_as_tensors(folder: Path, load: Any, as_zip: bool) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=as_zip)
    model = load(AutoModel, str(folder))
    if load is load_model:
        name = "encoder.layer.1.output.dense.weight"
        assert torch.equal(model.state_dict()[name], weights[name])


class _Code:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@LOADERS
def test_code_in_a_pickle_is_not_run(folder: Path, load: Any, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weight": _Code(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(InputError):
        load(AutoModel, str(folder))
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_with_an_optimizer_is_not_a_model(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"state_dict": {}, "epoch": 3}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin: .*such as a checkpoint with an optimizer"):
        inspect_model(AutoModel, str(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_that_are_not_finite_are_an_error(folder: Path, value: float, dtype: torch.dtype) -> None:
    name = "encoder.layer.1.output.dense.bias"

    def spoil(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        weights[name][3] = value
        return {each: weight.to(dtype) for each, weight in weights.items()}

    change_weights(folder, spoil)
    with pytest.raises(InputError, match=rf"model\.safetensors: {name} has values that are NaN or infinite"):
        inspect_model(AutoModel, str(folder))


@pytest.mark.parametrize("model_type", ["unheard-of", "t5x"])
def test_an_unknown_architecture_is_refused_without_a_question(
    folder: Path, model_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "raise SystemExit('the code was run')"
    (folder / "modeling.py").write_text(code)
    auto_map = {"AutoConfig": "modeling.Config", "AutoModel": "modeling.Model", "AutoTokenizer": ["modeling.T", None]}
    change_config(folder, model_type=model_type, auto_map=auto_map)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question at the terminal"))
    for load in (load_config, load_raw_tokenizer, lambda name: empty_model(AutoModel, name)):
        with pytest.raises(InputError, match=rf"model_type '{model_type}' \(its auto_map names code"):
            load(str(folder))


def test_code_of_a_tokenizer_is_refused_without_a_question(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "tokenizer_config.json"
    values = json.loads(file.read_text()) | {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
    file.write_text(json.dumps(values))
    (folder / "own.py").write_text("raise SystemExit('the code was run')")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question at the terminal"))
    load_raw_tokenizer(str(folder))  # transformers has a class for the architecture, which reads tokenizer.json


def test_a_quantized_model_is_refused(folder: Path) -> None:
    change_config(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    with pytest.raises(InputError, match="is quantized"):
        load_config(str(folder))


@pytest.mark.parametrize("field", ["attn_implementation", "_attn_implementation"])
def test_kernels_that_a_configuration_names_are_not_used(folder: Path, field: str) -> None:
    change_config(folder, **{field: "some-organisation/attention"})
    for model in (load_model(AutoModel, str(folder)), inspect_model(AutoModel, str(folder))):
        assert model.config._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize("content", ["", "[]", "{}", "{", POINTER.decode(), '{"model_type": 3}'])
def test_a_damaged_configuration_is_an_error(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(InputError, match=f"model {folder}: "):
        load_config(str(folder))


TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "special_tokens_map.json")


@pytest.mark.parametrize("kind", ["xlmr", "bert", "xlm"])
@pytest.mark.parametrize("kept", [(), ("tokenizer_config.json",)], ids=["nothing", "configuration"])
def test_a_folder_without_a_tokenizer_is_an_error(kind: str, kept: tuple[str, ...], tmp_path: Path) -> None:
    folder = write_encoder(kind, tmp_path)
    for name in set(TOKENIZER_FILES) - set(kept):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"has no tokenizer|the tokenizer cannot be loaded"):
        load_raw_tokenizer(str(folder))


@pytest.mark.parametrize("damage", [lambda _: POINTER, lambda whole: whole[: len(whole) // 2]], ids=["pointer", "half"])
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_damaged_files_of_a_tokenizer_are_an_error(folder: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(InputError, match=r"Git LFS pointer|the tokenizer cannot be loaded"):
        load_raw_tokenizer(str(folder))


def test_the_product_loads_models_in_one_place() -> None:
    calls = {}
    for file in (*ROOT.glob("clism_core/**/*.py"), *ROOT.glob("jobs/*.py"), *ROOT.glob("benchmarks/*.py")):
        names = {
            node.func.attr
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        if found := names & {"from_pretrained", "get_config_dict", "get_class_from_dynamic_module"}:
            calls[str(file.relative_to(ROOT))] = found
    assert calls == {
        "clism_core/model/pretrained.py": {"from_pretrained", "get_config_dict"},
        "clism_core/pretraining/served_model.py": {"from_pretrained"},  # MLflow runs this file without the project
    }
