"""Adam with linear warm-up and linear decay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Gt
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_linear_schedule_with_warmup


@dataclass
class OptimizerConfig:
    """Adam; with weight decay, AdamW."""

    learning_rate: Annotated[float, Gt(0)] = 1e-5
    """Learning rate at the end of the warm-up."""
    head_learning_rate: Annotated[float | None, Gt(0)] = None
    """Learning rate of heads that start untrained on a trained encoder: the span head or, in NER, the tagger; null: the
    same as the encoder's."""
    warmup_steps: Annotated[int | float, Ge(0)] = 1500
    """Number of optimiser steps over which the learning rate grows from 0; it then decays to 0 at the last step. Below
    1: share of all steps."""
    betas: tuple[float, float] = field(default=(0.9, 0.999))
    """Decay rates of the running means of gradients and of their squares."""
    epsilon: float = 1e-8
    """Constant added to the denominator."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices; biases and normalisation weights do not decay."""
    max_gradient_norm: Annotated[float, Gt(0)] = 1.0
    """Norm to which gradients are clipped."""


def build_optimizer(
    model: nn.Module, config: OptimizerConfig, total_steps: int, *, heads: Iterable[nn.Parameter] = ()
) -> tuple[AdamW, LRScheduler]:
    """Return the optimiser of all parameters that are not frozen, and its learning-rate schedule.

    Args:
        model: model to optimise.
        config: learning rates, decay and warm-up.
        total_steps: number of optimiser steps, regardless of the number of workers.
        heads: parameters of `model` that are trained at `head_learning_rate`.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    of_heads = set() if config.head_learning_rate is None else set(heads)
    head = {name for name, parameter in trained.items() if parameter in of_heads}
    groups = _groups([trained[name] for name in trained if name not in head], config.weight_decay)
    if head:
        own_rate = {"lr": config.head_learning_rate}
        head_groups = _groups([trained[name] for name in sorted(head)], config.weight_decay)
        groups += [group | own_rate for group in head_groups if group["params"]]
    optimizer = AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=config.epsilon, fused=True)
    share = config.warmup_steps < 1
    warmup_steps = round(config.warmup_steps * total_steps) if share else int(config.warmup_steps)
    return optimizer, get_linear_schedule_with_warmup(optimizer, warmup_steps, total_steps)


def _groups(parameters: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Return two parameter groups: matrices with weight decay; biases and normalisation weights without."""
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
