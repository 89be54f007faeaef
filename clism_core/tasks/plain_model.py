"""Task models in transformers' own classes, whose parts are an encoder and a linear layer over its states."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel


def plain_model(
    classes: Any, encoder: PreTrainedModel, linear: nn.Linear, labels: Sequence[str]
) -> PreTrainedModel | None:
    """Return transformers' own model of an encoder and a linear head, which shares their weights.

    Args:
        classes: classes by configuration, such as `transformers.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING`.
        encoder: the encoder; its configuration stays as it is.
        linear: maps states [..., D] to the logits of the labels.
        labels: name of each label.

    Returns:
        the model in evaluation mode, or None if there is no class for the architecture, or its class has other weights
        than these, as ModernBERT's, which has a further layer before the linear one.
    """
    config = copy.deepcopy(encoder.config)
    config.id2label = dict(enumerate(labels))
    config.label2id = {name: number for number, name in enumerate(labels)}
    architecture = classes.get(type(config), None)
    if architecture is None:
        return None
    with torch.device("meta"):
        model: PreTrainedModel = architecture(config)
    setattr(model, model.base_model_prefix, encoder)
    heads = [name for name, child in model.named_children() if child is not encoder and [*child.parameters()]]
    if len(heads) != 1 or _shapes(model.get_submodule(heads[0])) != _shapes(linear):
        return None
    setattr(model, heads[0], linear)
    model.eval()
    return model


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in module.named_parameters()}
