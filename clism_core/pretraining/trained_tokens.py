"""The part of the vocabulary that pre-training needs: a function of the data, the seed and the tokenizer only."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clism_core.model.encoder import embedding_weight
from clism_core.model.tokenizer import TextTokenizer
from clism_core.model.trained_vocabulary import template_tokens
from clism_core.pretraining.batches import MASKED_TOKENS
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.dataset import EncodedData
from clism_core.pretraining.encoding import encode_row
from clism_core.pretraining.model import PretrainingModel
from clism_core.training.data.sampler import Integers
from clism_core.training.data.used_tokens import Flags, find_used_tokens

logger = logging.getLogger(__name__)


def choose_trained_tokens(
    config: PretrainConfig, model: PretrainingModel, data: EncodedData, held_out: Sequence[Mapping[str, Any]]
) -> Integers | None:
    """Return the ids [K] of the tokens to train, in ascending order, on the connected cluster; None: all.

    Args:
        config: configuration of the run.
        model: model of the run; its weights are not used.
        data: training samples.
        held_out: prepared samples that are held out for evaluation.
    """
    if config.trained_vocabulary == "full":
        return None
    if problem := model.vocabulary_problem():
        logger.info("the whole vocabulary is trained: %s", problem)
        return None
    size = len(embedding_weight(model.encoder))
    used = find_used_tokens(data, ("source_ids", "target_ids"), size=size) | needed_tokens(model, held_out)
    n_used = int(used.sum())
    if MASKED_TOKENS in model.needs():
        used |= sample_others(used, len(model.tokenizer), number=config.vocabulary_sample, seed=config.seed)
    ids: Integers = np.flatnonzero(used)
    if len(ids) == size:
        return None
    logger.info(
        "%s of %s tokens are trained: %s of the data, and %s others for MLM",
        *(f"{number:,}" for number in (len(ids), size, n_used, len(ids) - n_used)),
    )
    return ids


def needed_tokens(model: PretrainingModel, held_out: Sequence[Mapping[str, Any]]) -> Flags:
    """Return which tokens [V] are special or occur in held-out samples."""
    needed = np.zeros(len(embedding_weight(model.encoder)), dtype=np.bool_)
    needed[list(template_tokens(model.tokenizer, model.encoder))] = True
    tokenize = TextTokenizer(model.tokenizer)
    for row in held_out:
        encoded = encode_row(tokenize, dict(row))
        needed[encoded["source_ids"] + encoded["target_ids"]] = True
    return needed


def sample_others(used: Flags, tokens: int, *, number: int, seed: int) -> Flags:
    """Return which of the tokens that are not used are drawn, at most `number` of the first `tokens`."""
    others = np.flatnonzero(~used[:tokens])
    drawn = np.zeros_like(used)
    drawn[np.random.default_rng(seed).permutation(others)[:number]] = True
    return drawn
