"""The MLM head of any architecture: what a masked language model computes from the states of its encoder."""

import copy
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


def find_mlm_head(model: PreTrainedModel) -> nn.Module:
    """Return a module that maps states [..., D] to logits over the vocabulary [..., V], with the weights of `model`.

    It is the one module beside the encoder, as in BERT, RoBERTa and XLM, or the whole model without its encoder if
    there are several, as in DistilBERT, ELECTRA and ModernBERT.
    """
    heads = [module for module in model.children() if module is not model.base_model]
    if len(heads) == 1:
        # XLM's prediction layer computes the loss itself; its projection returns the logits
        return getattr(heads[0], "proj", heads[0])
    return WithoutEncoder(model)


class WithoutEncoder(nn.Module):
    """A masked language model that computes logits from given states instead of those of its encoder."""

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.model = copy.copy(model)  # has the same modules, but for the encoder
        self.model._modules = dict(model._modules)
        setattr(self.model, model.base_model_prefix, _GivenStates())

    def forward(self, h: Tensor) -> Tensor:
        """Return logits [..., V] for states [..., D]."""
        logits: Tensor = self.model(inputs_embeds=h.reshape(1, -1, h.shape[-1])).logits
        return logits.reshape(*h.shape[:-1], -1)


class _GivenStates(nn.Module):
    """Stands for an encoder whose states are its inputs."""

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=inputs_embeds)
