"""Mixed precision (fp32, bf16, fp16), and which of them a device supports."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from clism_core.utils.errors import InputError

ResolvedName = Literal["fp32", "bf16", "fp16"]
PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]
MIN_LOSS_SCALE = 1e-4
"""Minimum loss scale of fp16 training, as in fairseq; only gradients that are never finite reduce it so far."""


class Update(NamedTuple):
    """Result of an optimiser step."""

    gradient_norm: float
    """Norm of the unscaled gradients before clipping."""
    outcome: Literal["taken", "overflowed", "skipped"]
    """`overflowed`: fp16 overflowed, and the loss scale was reduced; `skipped`: gradients were not finite for another
    reason. In both cases, the weights are unchanged."""


def best_device() -> torch.device:
    """Return the GPU if one is visible to this process, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def find_device(name: str | None) -> torch.device:
    """Return the device of that name, or `best_device` for None.

    Raises:
        InputError: if there is no such device, or this process cannot compute on it.
    """
    if name is None:
        return best_device()
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:  # torch asserts that it was built for the device
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"device {name!r}: cannot be used here; give cpu, or cuda if it has a GPU: {reason}"
        ) from error
    return device


def at_least_fp32(tensor: Tensor) -> Tensor:
    """Convert half-precision values to fp32; return others unchanged."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


class Precision:
    """Autocast for forward passes and, with fp16, loss scaling.

    Args:
        name: the precision; `clism_core.training.precision` resolves `auto`.
        device: device of the model.

    Raises:
        InputError: for fp16 on a CPU, which is not supported.
    """

    def __init__(self, name: ResolvedName, device: torch.device):
        if name == "fp16" and device.type != "cuda":
            raise InputError(f"--precision fp16: needs a GPU, but the workers train on {device.type}; use fp32 or bf16")
        self.name = name
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")
        self._min_scale = MIN_LOSS_SCALE if name == "fp16" else 1.0  # the scale is 1 without scaling

    def autocast(self) -> AbstractContextManager[None]:
        """Return the autocast context for a forward pass."""
        if self.name == "fp32":
            return nullcontext()
        context: AbstractContextManager[None] = torch.autocast(
            self.device.type, dtype=torch.bfloat16 if self.name == "bf16" else torch.float16
        )
        return context

    def scale(self, loss: Tensor) -> Tensor:
        """Return the loss scaled for its backward pass."""
        return self.scaler.scale(loss)

    def step(self, optimizer: Optimizer, model: nn.Module, max_gradient_norm: float) -> Update:
        """Clip the gradients and take an optimiser step, unless the gradients are not finite."""
        self.scaler.unscale_(optimizer)
        norm = float(nn.utils.clip_grad_norm_(model.parameters(), max_gradient_norm))
        if math.isfinite(norm):
            self.scaler.step(optimizer)
            self.scaler.update()
            return Update(norm, "taken")
        overflowed = self.scaler.get_scale() > self._min_scale
        self.scaler.update(None if overflowed else self._min_scale)
        return Update(norm, "overflowed" if overflowed else "skipped")


def fast_precisions(device: torch.device) -> tuple[ResolvedName, ...]:
    """Return the precisions that the hardware of this process computes in, the best one first.

    bf16 needs a GPU with bf16 units, or a CPU with AVX512-BF16 or AMX; V100 has fp16 only. Elsewhere bf16 is emulated
    and slower than fp32.
    """
    if device.type == "cuda":
        return ("bf16", "fp16", "fp32") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp16", "fp32")
    units = torch.cpu.get_capabilities()
    has_bf16 = units.get("avx512_bf16", False) or units.get("amx_bf16", False)
    # False for the former if ATEN_CPU_CAPABILITY restricts torch to older instructions
    return ("bf16", "fp32") if torch.backends.cpu.get_cpu_capability() == "AVX512" and has_bf16 else ("fp32",)


def prediction_precision(device: torch.device) -> Precision:
    """Return the precision of predictions: the best one of a GPU; fp32 on CPUs, so that predictions and scores do not
    depend on the processor."""
    return Precision(fast_precisions(device)[0] if device.type == "cuda" else "fp32", device)
