"""Adam with linear warm-up and linear decay."""

from dataclasses import dataclass, field

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_linear_schedule_with_warmup


@dataclass
class OptimizerConfig:
    """Adam; with weight decay, AdamW."""

    learning_rate: float = 1e-5
    """At the end of the warm-up."""
    warmup_steps: int = 1500
    """Steps of a global batch in which the rate grows from 0; after them it falls, to 0 at the last step."""
    betas: tuple[float, float] = field(default=(0.9, 0.999))
    """Decay of the running means of gradients and of their squares."""
    epsilon: float = 1e-8
    """Added to the denominator."""
    weight_decay: float = 0.0
    """Decoupled decay of weight matrices; biases and normalisations are spared."""
    max_gradient_norm: float = 1.0
    """Gradients of a larger norm are scaled down to it."""


def build_optimizer(model: nn.Module, config: OptimizerConfig, total_steps: int) -> tuple[AdamW, LRScheduler]:
    """Return the optimiser of the parameters that are not frozen, and its schedule.

    Steps are those of a global batch, whatever number of workers shares it.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=config.epsilon)
    return optimizer, get_linear_schedule_with_warmup(optimizer, config.warmup_steps, total_steps)
