"""Loading of any Hugging Face encoder with its MLM head, and `[QUE]` added to its vocabulary."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from clism_core.model.precision import at_least_fp32
from clism_core.model.resolve import resolve_model
from clism_core.model.tokenizer import QUE, load_tokenizer
from clism_core.utils.errors import InputError


@dataclass
class LoadedEncoder:
    """Starting point of pre-training; `folder` is its source, a hub id or a local folder."""

    encoder: PreTrainedModel
    mlm_head: nn.Module
    tokenizer: PreTrainedTokenizerBase
    folder: str


def load_encoder(name: str, *, seed: int) -> LoadedEncoder:
    """Load an encoder in fp32, with its MLM head (newly initialised if the checkpoint has none) and `[QUE]`.

    The embedding of a new `[QUE]` is initialised with that of the mask token: both stand for text to be found.

    Args:
        name: a hub id, a folder, or a name in the MLflow registry.
        seed: seed of weights that are missing from the checkpoint.

    Raises:
        InputError: if the model is not found, or its architecture has no masked language model.
    """
    folder = resolve_model(name)
    tokenizer = load_tokenizer(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise InputError(f"--model {name}: cannot be loaded as an encoder with an MLM head: {error}") from error
        _add_que(model, tokenizer)
    return LoadedEncoder(model.base_model, _mlm_head(model, name), tokenizer, folder)


def check_architecture(folder: str, *, max_length: int, field: str = "masking.max_length") -> None:
    """Check a model by its configuration, without loading its weights.

    Raises:
        InputError: if it does not have exactly one MLM head, or supports fewer than `max_length` tokens, the value of
            the option `field`.
    """
    try:
        config = AutoConfig.from_pretrained(folder)
        with torch.device("meta"):
            model = AutoModelForMaskedLM.from_config(config)
    except (OSError, ValueError) as error:
        raise InputError(f"--model {folder}: cannot be loaded as an encoder with an MLM head: {error}") from error
    _mlm_head(model, folder)
    positions = getattr(config, "max_position_embeddings", max_length) - _positions_before_the_first(model)
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


def _add_que(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Add an embedding of `[QUE]`, unless the checkpoint has one."""
    que_id, rows = tokenizer.convert_tokens_to_ids(QUE), len(embedding_weight(model))
    known = getattr(model.config, "que_token_id", None) == que_id
    if len(tokenizer) > rows:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    if not known:
        with torch.no_grad():
            weight = embedding_weight(model)
            weight[que_id] = weight[tokenizer.mask_token_id]
        model.config.que_token_id = que_id


def embedding_weight(model: PreTrainedModel) -> nn.Parameter:
    """Return the matrix of word embeddings [V, D]."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, nn.Parameter)
    return weight


def _mlm_head(model: PreTrainedModel, name: str) -> nn.Module:
    """Return the module of a masked language model that maps states to logits over the vocabulary."""
    heads = [module for module in model.children() if module is not model.base_model]
    if len(heads) != 1:
        raise InputError(
            f"--model {name}: {type(model).__name__} is not supported: it does not have exactly one MLM head; BERT, "
            "RoBERTa and XLM do"
        )
    # XLM's prediction layer computes the loss itself; its projection returns the logits
    head: nn.Module = getattr(heads[0], "proj", heads[0])
    return head


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
