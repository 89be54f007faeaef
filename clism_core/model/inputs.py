"""Base class of micro-batches for all models.

Shapes: B inputs, L tokens of the longest of them.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from torch import Tensor


@dataclass(kw_only=True)
class ModelInputs:
    """Micro-batch of one worker; subclasses add the fields that objectives need."""

    input_ids: Tensor  # [B, L] X
    attention_mask: Tensor  # [B, L]
    token_type_ids: Tensor | None  # [B, L], for encoders that use them
    keys: Tensor | None = None  # [B, 2] for contrastive objectives: inputs with an equal key are not negatives
    n_tokens: int = 0  # tokens of X without padding, out of B * L positions
    counters: dict[str, int] = field(default_factory=dict)  # logged as `train/NAME`, summed over steps and workers

    def to(self, device: Any) -> Self:
        """Return the batch on `device`, a torch device."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True) for name, value in values.items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)
