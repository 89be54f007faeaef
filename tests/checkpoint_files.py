"""Small checkpoints, and ways to damage them."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from clism_core.training.checkpoint_store import CheckpointStore


def state_bytes(**entries: Any) -> bytes:
    """Return a file of the training state, with empty states of optimiser, schedule and loss scaler."""
    file = io.BytesIO()
    torch.save({"step": 0, "optimizer": {}, "schedule": {}, "scaler": {}} | entries, file)
    return file.getvalue()


STATE = state_bytes()


def save(store: CheckpointStore, step: int, score: float | None = None, *, state: bytes = STATE) -> str:
    """Save a checkpoint of two small files, and return its folder."""
    local = store.temporary_folder()
    (local / "model").mkdir()
    (local / "model" / "span_head.safetensors").write_bytes(b"head %d" % step)
    (local / "training_state.pt").write_bytes(state)
    try:
        return store.upload(local, step, {"step": step} | ({} if score is None else {"score": score}))
    finally:
        shutil.rmtree(local)


def flip(path: Path) -> None:
    """Flip a bit of a file."""
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "flipped bit": (lambda folder: flip(folder / "model/span_head.safetensors"), "span_head.* has other content"),
    "cut off": (lambda folder: os.truncate(folder / "training_state.pt", 2), "training_state.pt has 2 bytes instead"),
    "missing head": (lambda folder: (folder / "model/span_head.safetensors").unlink(), "span_head.* is missing"),
    "empty manifest": (lambda folder: os.truncate(folder / "checkpoint.json", 0), "checkpoint.json is .*damaged"),
    "cut off manifest": (lambda folder: os.truncate(folder / "checkpoint.json", 40), "checkpoint.json is .*damaged"),
}
