"""Loading of any Hugging Face encoder with its MLM head, and `[QUE]` added to its vocabulary."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from clism_core.model.mlm_head import find_mlm_head
from clism_core.model.precision import at_least_fp32
from clism_core.model.pretrained import inspect_model, load_model, load_raw_tokenizer
from clism_core.model.resolve import resolve_model
from clism_core.model.tokenizer import QUE, add_que, find_template, special_id
from clism_core.model.vocabulary import check_vocabulary
from clism_core.utils.errors import InputError


@dataclass
class LoadedEncoder:
    """Starting point of pre-training; `folder` is its source, a hub id or a local folder."""

    encoder: PreTrainedModel
    mlm_head: nn.Module
    tokenizer: PreTrainedTokenizerBase
    folder: str
    has_que: bool
    """Whether the checkpoint has an embedding of `[QUE]`: this project trained it, and saved heads beside it."""
    output_projection: nn.Module | None
    """Module of the MLM head that has a row for each token; None if transformers does not name one."""


class EncoderLoader(Protocol):
    """`load_encoder` or `inspect_encoder`."""

    def __call__(self, name: str, *, seed: int) -> LoadedEncoder:
        """Return the encoder of a model."""


def load_encoder(name: str, *, seed: int) -> LoadedEncoder:
    """Load an encoder in fp32, with its MLM head (newly initialised if the checkpoint has none) and `[QUE]`.

    The embedding of a new `[QUE]` is initialised with that of the mask token: both stand for text to be found.

    Args:
        name: a hub id, a folder, or a name in the MLflow registry.
        seed: seed of weights that are missing from the checkpoint.

    Raises:
        InputError: if the model is not found, its architecture has no masked language model, its weights do not fit it,
            or its tokenizer is another model's or lacks a special token.
    """
    folder = resolve_model(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _with_que(load_model(AutoModelForMaskedLM, folder), folder)


def inspect_encoder(name: str, *, seed: int = 0) -> LoadedEncoder:  # noqa: ARG001 (as load_encoder)
    """Return an encoder without weights (on the meta device), after all checks of `load_encoder`, within seconds.

    It also checks that the weights are finite. The driver of a job calls it before workers load the encoder.

    Args:
        name: as for `load_encoder`.
        seed: ignored.

    Raises:
        InputError: as `load_encoder` does.
    """
    folder = resolve_model(name)
    return _with_que(inspect_model(AutoModelForMaskedLM, folder), folder)


def load_plain_encoder(folder: str, **changes: Any) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load any encoder in fp32, without an MLM head or an added `[QUE]`, and its tokenizer.

    Args:
        folder: hub id or folder, as `resolve_model` returns it.
        changes: fields that replace those of `config.json`.

    Raises:
        InputError: if files are missing or damaged, weights do not fit, or the tokenizer is another model's or has no
            padding token.
    """
    return _with_tokenizer(load_model(AutoModel, folder, **changes), folder)


def inspect_plain_encoder(folder: str, **changes: Any) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return an encoder without weights (on the meta device), and its tokenizer, after all checks of
    `load_plain_encoder`, which has the same arguments and errors; it also checks that the weights are finite."""
    return _with_tokenizer(inspect_model(AutoModel, folder, **changes), folder)


def _with_tokenizer(encoder: PreTrainedModel, folder: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    tokenizer = load_raw_tokenizer(folder)
    check_vocabulary(tokenizer, folder, embeddings=len(embedding_weight(encoder)))
    special_id(tokenizer, "pad")
    return encoder, tokenizer


def _with_que(model: PreTrainedModel, folder: str) -> LoadedEncoder:
    """Check that a model and the tokenizer in its folder fit, and add an embedding of `[QUE]` if there is none."""
    tokenizer = load_raw_tokenizer(folder)
    is_new = add_que(tokenizer)
    check_vocabulary(tokenizer, folder, embeddings=len(embedding_weight(model)))
    find_template(tokenizer, pair=True)
    special_id(tokenizer, "pad")
    que_id = tokenizer.get_vocab()[QUE]
    if is_new == (getattr(model.config, "que_token_id", None) is not None):
        has, lacks = ("config.json", "the tokenizer") if is_new else ("the tokenizer", "config.json")
        raise InputError(f"model {folder}: {has} has {QUE}, {lacks} does not; copy the folder of one model as a whole")
    if is_new:
        _add_que(model, que_id, mask_id=special_id(tokenizer, "mask"), name=folder)
    elif model.config.que_token_id != que_id or que_id >= len(embedding_weight(model)):
        raise InputError(
            f"model {folder}: {QUE} is token {que_id} of the tokenizer, but token {model.config.que_token_id} of the "
            f"{len(embedding_weight(model)):,} of the encoder; copy the folder of one model as a whole"
        )
    base: Any = model.base_model
    return LoadedEncoder(
        base,
        find_mlm_head(model),
        tokenizer,
        folder,
        has_que=not is_new,
        output_projection=model.get_output_embeddings(),
    )


def check_max_length(encoder: PreTrainedModel, folder: str, *, max_length: int, field: str) -> None:
    """Raise `InputError` if an encoder supports fewer than `max_length` tokens, the value of the option `field`."""
    positions = getattr(encoder.config, "max_position_embeddings", max_length) - _positions_before_the_first(encoder)
    if positions < max_length:
        raise InputError(
            f"--{field} {max_length}: {folder} supports at most {positions} tokens; give {positions} or less"
        )


def _positions_before_the_first(model: PreTrainedModel) -> int:
    """Return the number of unused positions: RoBERTa and XLM-R number positions from the padding index + 1."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.padding_idx + 1
    return 0


def _add_que(model: PreTrainedModel, que_id: int, *, mask_id: int, name: str) -> None:
    """Add an embedding of `[QUE]`, a copy of that of the mask token."""
    if que_id >= len(embedding_weight(model)):
        output: Any = model.get_output_embeddings()
        if output is not None and len(output.weight) != len(embedding_weight(model)):
            raise InputError(
                f"model {name}: the MLM head of {type(model).__name__} cannot be extended by {QUE}: transformers gives "
                "none of its layers an output for each token; for DeBERTa, set legacy: true in config.json"
            )
        model.resize_token_embeddings(que_id + 1, mean_resizing=False)
    with torch.no_grad():
        weight = embedding_weight(model)
        weight[que_id] = weight[mask_id]
    model.config.que_token_id = que_id


def embedding_weight(model: PreTrainedModel) -> nn.Parameter:
    """Return the matrix of word embeddings [V, D]."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, nn.Parameter)
    return weight


def encode(
    encoder: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None
) -> Tensor:
    """Return the last hidden states [B, L, D]."""
    types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
    states: Tensor = encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
    return states


def mean_pool(h_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """Return the means [B, D], at least in fp32, of the states at which `mask_BL` is true."""
    h_BLD = at_least_fp32(h_BLD)
    weights = mask_BL.unsqueeze(-1).to(h_BLD.dtype)
    mean: Tensor = (h_BLD * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
    return mean
