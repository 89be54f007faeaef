"""Weights of a model that trains a part of its vocabulary, as checkpoints store them.

The file has all trained weights, the ids of the trained tokens, and nothing else: the embeddings of other tokens,
configuration and tokenizer are those of the initial model.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clism_core.model.trainable import TrainedModel, save_weights
from clism_core.model.weights import read_weights
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

TRAINED_WEIGHTS_FILE = "trained_weights.safetensors"
_IDS = "trained_token_ids"
_SHOWN = 3


def save_trained_weights(model: TrainedModel[Any], folder: Path) -> None:
    """Write the weights of a model with a restricted vocabulary into `folder`, which is created."""
    assert model.vocabulary.ids is not None
    folder.mkdir(parents=True, exist_ok=True)
    save_weights({**_weights(model), _IDS: model.vocabulary.ids}, folder / TRAINED_WEIGHTS_FILE)


def has_trained_weights(folder: Path) -> bool:
    """Return whether `save_trained_weights` wrote the model in `folder`."""
    return (folder / TRAINED_WEIGHTS_FILE).exists()


def load_trained_weights(model: TrainedModel[Any], folder: Path) -> None:
    """Load the weights saved in `folder` into a model with the same restricted vocabulary.

    Raises:
        InputError: if the vocabulary or the weights differ from those saved.
    """
    saved, ids = _read(folder)
    own = model.vocabulary.ids
    if own is None or not torch.equal(own.cpu(), ids):
        raise InputError(
            f"{folder}: the checkpoint has {len(ids):,} trained tokens, the run has "
            f"{'all' if own is None else f'{len(own):,}'}, or others; use the same data and "
            "vocabulary options as in the run's config.yaml"
        )
    _copy(saved, model, folder, rows=None)


def complete_model(model: TrainedModel[Any], folder: Path) -> None:
    """Replace the weights saved in `folder` by a Hugging Face folder with the whole vocabulary.

    Args:
        model: the initial model of the training, which receives the weights; the embeddings of tokens that were not
            trained remain as they are.
        folder: folder written by `save_trained_weights`.

    Raises:
        InputError: if the weights do not fit the model.
    """
    assert model.vocabulary.ids is None
    saved, ids = _read(folder)
    _copy(saved, model, folder, rows=ids)
    (folder / TRAINED_WEIGHTS_FILE).unlink()
    model.save(folder)


def _read(folder: Path) -> tuple[dict[str, Tensor], Tensor]:
    """Return the saved weights by name, and the ids of the trained tokens."""
    saved = dict(read_weights(folder / TRAINED_WEIGHTS_FILE))
    return saved, saved.pop(_IDS)


@torch.no_grad()
def _copy(saved: dict[str, Tensor], model: TrainedModel[Any], folder: Path, *, rows: Tensor | None) -> None:
    """Copy weights into a model; those of tokens into the given rows, or into all."""
    own, of_tokens = _weights(model), {id(parameter) for parameter in model.token_parameters()}
    wrong = sorted(saved.keys() ^ own.keys())
    for name in saved.keys() & own.keys():
        target, source = own[name], saved[name].to(own[name].device)
        if rows is not None and id(target) in of_tokens and source.shape == (len(rows), *target.shape[1:]):
            target[rows] = source
        elif source.shape == target.shape:
            target.copy_(source)
        else:
            wrong.append(name)
    if wrong:
        raise InputError(
            f"{folder}: {len(wrong)} weights do not fit the initial model, such as {listed(wrong[:_SHOWN])}; resume "
            "the run with the model and the version that it was started with"
        )


def _weights(model: TrainedModel[Any]) -> dict[str, Tensor]:
    """Return the tensors of a model's state, each once, by its first name."""
    names: dict[int, str] = {}
    state = model.state_dict(keep_vars=True)
    for name, tensor in state.items():
        names.setdefault(id(tensor), name)
    return {name: state[name] for name in names.values()}
