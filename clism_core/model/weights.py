"""Weight files: found as transformers finds them, read one tensor at a time, and compared with a model."""

import json
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils import cached_file

from clism_core.utils.errors import InputError
from clism_core.utils.file_types import check_not_pointer
from clism_core.utils.text import listed

_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""In the order in which transformers looks for them."""
_POOLER = re.compile(r"(^|\.)pooler\.")
_SHOWN = 4


def read_shapes(name: str) -> dict[str, torch.Size]:
    """Return the shapes of a model's weights, by name, after reading all of their values.

    Args:
        name: hub id or folder, as `resolve_model` returns it.

    Raises:
        InputError: if there are no weights, a file is missing or damaged, or a weight is not finite.
    """
    shapes = {}
    for file in weight_files(name):
        for weight, tensor in read_weights(file):
            check_finite(weight, tensor, file)
            shapes[weight] = tensor.shape
    return shapes


def weight_files(name: str) -> list[Path]:
    """Return the files of a model's weights: safetensors or, if there are none, PyTorch's `.bin`.

    Raises:
        InputError: if there are none, or a file of a sharded model is missing.
    """
    found = next((path for file in _FILES if (path := find_file(name, file)) is not None), None)
    if found is None:
        raise InputError(
            f"model {name}: has no weights: neither {_FILES[0]} nor {_FILES[2]}; give a complete folder written by "
            "save_pretrained"
        )
    if found.suffix != ".json":
        return [found]
    check_no_pointer(found)
    try:
        shards = sorted(set(json.loads(found.read_text())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{found}: damaged index of weights; copy or download it again: {error}") from error
    paths = {shard: find_file(name, shard) for shard in shards}
    missing = [shard for shard, path in paths.items() if path is None]
    if missing:
        raise InputError(f"model {name}: {listed(missing)} of {found.name} is missing; copy the model's folder whole")
    return [path for path in paths.values() if path is not None]


def find_file(name: str, file: str) -> Path | None:
    """Return a file of a model, downloaded if it is on the hub; None if the model has no such file."""
    try:
        found = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
    except OSError as error:
        raise InputError(f"model {name}: {file} cannot be downloaded: {error}") from error
    return None if found is None else Path(found)


def read_weights(file: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and the tensor of each weight in a safetensors or `.bin` file, mapped into memory if possible.

    Of a pickle (`.bin`), only tensors and plain containers are read.

    Raises:
        InputError: if the file is damaged, incomplete, or a Git LFS pointer.
    """
    check_no_pointer(file)
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118 (not a mapping)
                    yield name, opened.get_tensor(name)
        else:
            yield from _read_pickle(file)
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{file}: damaged or incomplete weights; copy or download the file again: {error}") from error


def _read_pickle(file: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except (pickle.UnpicklingError, EOFError) as error:  # torch's message advises to allow code
        raise ValueError("not only tensors; other objects in a pickle can run code, and are never loaded") from error
    if not isinstance(weights, dict) or not all(isinstance(weight, Tensor) for weight in weights.values()):
        raise ValueError("not weights by name but something else, such as a checkpoint with an optimizer")
    yield from weights.items()


def check_no_pointer(file: Path) -> None:
    """Raise `InputError` if a file is the pointer that Git leaves in place of a large file."""
    with file.open("rb") as opened:
        check_not_pointer(opened.read(100), where=str(file))


def check_finite(name: str, tensor: Tensor, file: Path) -> None:
    """Raise `InputError` if a floating-point weight has values that are NaN or infinite."""
    if not tensor.is_floating_point() or not tensor.numel():
        return
    least, most = torch.aminmax(tensor if tensor.dtype.itemsize > 1 else tensor.float())
    if not (torch.isfinite(least) and torch.isfinite(most)):
        raise InputError(
            f"{file}: {name} has values that are NaN or infinite: its training diverged, or the file is damaged; give "
            "another checkpoint"
        )


def check_fit(model: PreTrainedModel, info: Mapping[str, Any], name: str, *, all_layers: bool) -> None:
    """Check what transformers reports about loading: random weights are accepted in an MLM head and a pooler only.

    Args:
        model: the loaded model.
        info: its loading info: missing, unexpected and mismatched weights.
        name: name of the model for messages.
        all_layers: whether the checkpoint may not have more layers than the model.

    Raises:
        InputError: with the names of weights that are missing, unexpected, or have another shape.
    """
    own = f"{model.base_model_prefix}."
    has_head = model.base_model is not model
    missing = [
        weight
        for weight in info["missing_keys"]
        if not _POOLER.search(weight) and (weight.startswith(own) or not has_head)
    ]
    mismatched = [
        f"{weight} is {tuple(found)} instead of {tuple(expected)}"
        for weight, found, expected in info["mismatched_keys"]
    ]
    surplus = _surplus_layers(model, info["unexpected_keys"]) if all_layers else []
    unknown = [weight for weight in info["unexpected_keys"] if not _POOLER.search(weight)]
    kinds = {"missing": missing, "unexpected": unknown if missing else surplus, "of another shape": mismatched}
    problems = [f"{kind}: {len(weights)} ({_some(sorted(weights))})" for kind, weights in kinds.items() if weights]
    if problems:
        raise InputError(
            f"model {name}: its weights do not fit its config.json: {'; '.join(problems)}; give a complete folder "
            "written by save_pretrained"
        )


def _surplus_layers(model: PreTrainedModel, unexpected: set[str]) -> list[str]:
    """Return the unexpected weights that belong to layers beyond those of the model."""
    own = f"{model.base_model_prefix}."
    known = {_without_numbers(weight.removeprefix(own)) for weight in model.state_dict()}
    return [weight for weight in unexpected if _without_numbers(weight.removeprefix(own)) in known]


def _without_numbers(weight: str) -> str:
    return re.sub(r"(?<=\.)\d+(?=\.)", "#", weight)


def _some(names: list[str]) -> str:
    return ", ".join([*names[:_SHOWN], *(["..."] if len(names) > _SHOWN else [])])
