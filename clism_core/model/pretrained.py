"""All calls of transformers' `from_pretrained`: configurations, tokenizers and weights, checked before they are used.

transformers returns an empty tokenizer for a folder without one, and random weights for those that a file lacks. Code
in a model's folder and kernels of the hub are never run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from clism_core.model.weights import check_fit, check_no_pointer, find_file, read_shapes, weight_files
from clism_core.utils.errors import InputError
from clism_core.utils.quiet import quiet_loading

_NO_CODE: dict[str, Any] = {"trust_remote_code": False}
_NO_KERNELS: dict[str, Any] = {"use_kernels": False, "allow_all_kernels": False, "attn_implementation": None}
_TOKENIZER_FILES = (".json", ".jsonl", ".txt", ".model", ".spm", ".vocab", ".tiktoken")


def load_config(name: str, **changes: Any) -> PretrainedConfig:
    """Return the configuration of a model.

    Args:
        name: hub id or folder, as `resolve_model` returns it.
        changes: fields that replace those of `config.json`.

    Raises:
        InputError: if `config.json` is missing or damaged, or the model needs code of its own or is quantized.
    """
    with _loading(name, "config.json"):
        values = dict(PretrainedConfig.get_config_dict(name)[0])
    kind = values.get("model_type")
    if kind is not None and kind not in CONFIG_MAPPING:
        own_code = " (its auto_map names code in its folder, which is never run)" if "auto_map" in values else ""
        raise InputError(
            f"model {name}: transformers has no architecture for its model_type {kind!r}{own_code}; give an encoder "
            "with an architecture of transformers, such as xlm-roberta or bert"
        )
    if "quantization_config" in values:
        raise InputError(f"model {name}: is quantized, and cannot be trained; give the original model")
    with _loading(name, "config.json"):
        config: PretrainedConfig = AutoConfig.from_pretrained(name, **_NO_CODE, **changes)
    return config


def load_raw_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model as it was saved, without an added `[QUE]`.

    Args:
        name: hub id or folder, as `resolve_model` returns it.

    Raises:
        InputError: if files of the tokenizer are missing or damaged, or a package for it is not installed.
    """
    if find_file(name, "config.json"):
        load_config(name)  # otherwise its errors would be reported as the tokenizer's
    if Path(name).is_dir():
        for file in sorted(Path(name).iterdir()):
            if file.suffix in _TOKENIZER_FILES:
                check_no_pointer(file)
    with _loading(name, "tokenizer"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name, **_NO_CODE)
    _check_files(tokenizer, name)
    return tokenizer


def load_model(model_class: Any, name: str, **changes: Any) -> PreTrainedModel:
    """Return a model in fp32 whose weights all come from its files, except those of an MLM head or a pooler.

    Args:
        model_class: an auto class of transformers, such as `AutoModel`.
        name: hub id or folder, as `resolve_model` returns it.
        changes: fields that replace those of `config.json`.

    Raises:
        InputError: if files are missing or damaged, or their weights do not fit the configuration.
    """
    config = load_config(name, **changes)
    for file in weight_files(name):
        check_no_pointer(file)
    with _loading(name, "weights"):
        model, info = model_class.from_pretrained(
            name,
            config=config,
            dtype=torch.float32,
            weights_only=True,
            ignore_mismatched_sizes=True,  # they are reported by `check_fit`, with their names
            output_loading_info=True,
            **_NO_CODE,
            **_NO_KERNELS,
        )
    check_fit(model, info, name, all_layers="num_hidden_layers" not in changes)
    loaded: PreTrainedModel = model
    return loaded


def inspect_model(model_class: Any, name: str, **changes: Any) -> PreTrainedModel:
    """Return a model without weights (on the meta device), after the checks of `load_model`.

    The weights are read one by one: none may be NaN or infinite. transformers then loads their names and shapes.

    Args:
        model_class: as for `load_model`.
        name: as for `load_model`.
        changes: as for `load_model`.

    Raises:
        InputError: as `load_model` does, and if a weight is not finite.
    """
    empty = empty_model(model_class, name, **changes)
    architecture: Any = type(empty)
    zero = torch.zeros(())
    placeholders = {weight: zero.expand(shape) for weight, shape in read_shapes(name).items()}  # take no memory
    with _loading(name, "weights"):
        model, info = architecture.from_pretrained(
            None,
            config=empty.config,
            state_dict=placeholders,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **_NO_KERNELS,
        )
    check_fit(model, info, name, all_layers="num_hidden_layers" not in changes)
    return empty


def empty_model(model_class: Any, name: str, **changes: Any) -> PreTrainedModel:
    """Return a model without weights (on the meta device) for a configuration; only `config.json` is read.

    Args:
        model_class: as for `load_model`.
        name: as for `load_model`.
        changes: as for `load_model`.

    Raises:
        InputError: as `load_config` does, and if the architecture is not one of `model_class`.
    """
    config = load_config(name, **changes)
    with _loading(name, "config.json"), torch.device("meta"):
        model: PreTrainedModel = model_class.from_config(config, **_NO_CODE, attn_implementation=None)
    return model


@contextmanager
def _loading(name: str, part: str) -> Iterator[None]:
    """Suppress transformers' output, and raise an `InputError` that names the model and the part for any error."""
    try:
        with quiet_loading():
            yield
    except ImportError as error:
        raise InputError(
            f"model {name}: its {part} needs a package that is not installed; for XLM, pip install -e '.[xlm]': {error}"
        ) from error
    except Exception as error:  # tokenizers raises plain Exceptions, damaged files nearly any kind
        raise InputError(
            f"model {name}: the {part} cannot be loaded; give a complete folder written by save_pretrained, or "
            f"download it again: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error


def _check_files(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Raise `InputError` unless there is `tokenizer.json` or all other files from which the tokenizer is built."""
    names = dict(tokenizer.vocab_files_names)
    whole = names.pop("tokenizer_file", "tokenizer.json")
    if not names or find_file(name, whole):  # some work on characters or bytes and have no files
        return
    missing = [file for file in names.values() if not find_file(name, file)]
    if missing:
        raise InputError(
            f"model {name}: has no tokenizer: {whole} is missing, and so is {', '.join(missing)}; copy the files of "
            "the tokenizer into the model's folder"
        )
