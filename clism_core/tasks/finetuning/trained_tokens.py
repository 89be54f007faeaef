"""The part of the vocabulary that fine-tuning needs: a function of the data and the tokenizer only.

The embeddings of other tokens have no gradients, so that the result is that of training all of them, but for the decay
of their weights.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import ray

from clism_core.model.encoder import embedding_weight
from clism_core.model.trained_vocabulary import template_tokens
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.data import EXAMPLES_PER_BLOCK, TASK_CPUS, Example
from clism_core.tasks.task_model import TaskModel
from clism_core.training.data.indexed_rows import IndexedRows
from clism_core.training.data.sampler import Integers
from clism_core.training.data.used_tokens import Flags, find_used_tokens

logger = logging.getLogger(__name__)


def choose_trained_tokens(
    config: FinetuneConfig, model: TaskModel[Any, Any], rows: IndexedRows, dev: Sequence[Example]
) -> Integers | None:
    """Return the ids [K] of the tokens to train, in ascending order, on the connected cluster; None: all.

    Args:
        config: configuration of the run.
        model: model of the run; its weights are not used.
        rows: encoded training examples.
        dev: development examples.
    """
    if config.trained_vocabulary == "full":
        return None
    inputs = config.task_object.development_inputs(model.tokenizer, config.task_options)
    problem = model.vocabulary_problem() if inputs is not None else f"{config.task} does not know its inputs"
    if inputs is None or problem:
        logger.info("the whole vocabulary is trained: %s", problem)
        return None
    size = len(embedding_weight(model.encoder))
    used = find_used_tokens(rows, ("input_ids",), size=size) | find_tokens_of_examples(inputs, dev, size=size)
    used[list(template_tokens(model.tokenizer, model.encoder))] = True
    ids: Integers = np.flatnonzero(used)
    if len(ids) == size:
        return None
    logger.info("%s of %s tokens are trained, those of the data", f"{len(ids):,}", f"{size:,}")
    return ids


def find_tokens_of_examples(
    inputs: Callable[[Any], Iterable[list[int]]], examples: Sequence[Example], *, size: int
) -> Flags:
    """Return which tokens [V] occur in examples.

    Args:
        inputs: function from an example to the token ids of its inputs; it is sent to Ray tasks.
        examples: the examples.
        size: number V of tokens.
    """
    shared = ray.put(inputs)
    parts = [examples[first : first + EXAMPLES_PER_BLOCK] for first in range(0, len(examples), EXAMPLES_PER_BLOCK)]
    used = np.zeros(size, dtype=np.bool_)
    for ids in ray.get([_tokens_of.remote(shared, part) for part in parts]):
        used[ids] = True
    return used


def tokens_of(inputs: Callable[[Any], Iterable[list[int]]], examples: Sequence[Example]) -> Integers:
    """Return the ids of the tokens that occur in examples, in ascending order."""
    return np.array(sorted({token for each in examples for ids in inputs(each) for token in ids}), dtype=np.int64)


# Not in the placement group of a Ray Tune trial, which reserves no CPU.
_tokens_of = ray.remote(num_cpus=TASK_CPUS, scheduling_strategy="DEFAULT")(tokens_of)
