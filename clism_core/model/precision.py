"""fp32, bf16 and fp16, and which of them suits a device."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from clism_core.utils.errors import InputError

PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]
SMALLEST_SCALE = 1e-4
"""A loss scale that fp16 training has no use for: only gradients that are never finite bring it so low (fairseq's)."""


def best_device() -> torch.device:
    """Return the GPU where this process sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def at_least_fp32(tensor: Tensor) -> Tensor:
    """Return half-precision values as fp32, others as they are."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


class Precision:
    """Casts forward passes and, for fp16, scales the loss.

    Args:
        name: `auto` takes bf16 where the GPU computes it in hardware, fp16 on other GPUs (V100), fp32 on CPU.
        device: where the model is.

    Raises:
        InputError: for fp16 on a CPU, which has no fast path for it.
    """

    def __init__(self, name: PrecisionName, device: torch.device):
        if name == "auto":
            name = _best_precision(device)
        if name == "fp16" and device.type != "cuda":
            raise InputError(f"--precision fp16: needs a GPU, but the workers train on {device.type}; use fp32 or bf16")
        self.name = name
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")
        self._smallest_scale = SMALLEST_SCALE if name == "fp16" else 1.0  # which it is without scaling

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context of a forward pass."""
        if self.name == "fp32":
            return nullcontext()
        context: AbstractContextManager[None] = torch.autocast(
            self.device.type, dtype=torch.bfloat16 if self.name == "bf16" else torch.float16
        )
        return context

    def scale(self, loss: Tensor) -> Tensor:
        """Scale a loss before its backward pass."""
        return self.scaler.scale(loss)

    def step(self, optimizer: Optimizer, model: nn.Module, max_gradient_norm: float) -> float | None:
        """Clip the gradients and take a step.

        Returns:
            the norm of the unscaled gradients before clipping; None if fp16 overflowed and the step was skipped.

        Raises:
            FloatingPointError: if gradients are not finite without loss scaling, where a step would destroy the model,
                or stay so however little the loss is scaled.
        """
        self.scaler.unscale_(optimizer)
        norm = float(nn.utils.clip_grad_norm_(model.parameters(), max_gradient_norm))
        if not math.isfinite(norm) and self.scaler.get_scale() <= self._smallest_scale:
            raise FloatingPointError(
                f"the gradient norm is {norm} in {self.name}: training has diverged; begin anew, in another --output, "
                "with a lower --optimizer.learning_rate"
            )
        self.scaler.step(optimizer)
        self.scaler.update()
        return norm if math.isfinite(norm) else None


def _best_precision(device: torch.device) -> Literal["fp32", "bf16", "fp16"]:
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
