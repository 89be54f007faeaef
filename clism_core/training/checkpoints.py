"""Checkpoints for resuming a run: the model, and the state of optimiser, schedule and scaler.

The model is a Hugging Face folder or, with a restricted vocabulary, only its trained weights.

Dropout, sample order and masking are functions of seed, step and rank, so that no random state is saved.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from clism_core.model.precision import Precision, ResolvedName, prediction_precision
from clism_core.model.trainable import TrainedModel
from clism_core.model.trained_weights import save_trained_weights

MODEL_FOLDER, STATE_FILE = "model", "training_state.pt"


@dataclass
class TrainingState:
    """State that changes from step to step, other than the model."""

    optimizer: Optimizer
    schedule: LRScheduler
    precision: Precision
    step: int = 0
    """Number of optimiser steps taken."""


def save_checkpoint(folder: Path, model: TrainedModel[Any], state: TrainingState) -> None:
    """Write `model/` and `training_state.pt` into `folder`."""
    save_model = TrainedModel.save if model.vocabulary.ids is None else save_trained_weights
    save_model(model, folder / MODEL_FOLDER)
    torch.save(
        {
            "step": state.step,
            "optimizer": state.optimizer.state_dict(),
            "schedule": state.schedule.state_dict(),
            "precision": state.precision.name,
            "scaler": state.precision.scaler.state_dict(),
        },
        folder / STATE_FILE,
    )


def state_problem(folder: Path) -> str:
    """Return why the training state in `folder` cannot be read, without reading its tensors; empty if it can."""
    try:
        saved = torch.load(folder / STATE_FILE, mmap=True, weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, ValueError, LookupError) as error:
        return f"{STATE_FILE} is not a file of torch ({type(error).__name__})"
    missing = {"step", "optimizer", "schedule", "scaler"} - (saved.keys() if isinstance(saved, dict) else set())
    return f"{STATE_FILE} lacks {', '.join(sorted(missing))}" if missing else ""


def saved_precision(folder: Path, device: torch.device) -> ResolvedName:
    """Return the precision of the training that `save_checkpoint` saved, without reading its tensors.

    Earlier versions, which did not save it, trained on a device in the precision of predictions unless told otherwise.
    """
    saved = torch.load(folder / STATE_FILE, mmap=True, weights_only=True)
    name: ResolvedName = saved.get("precision", prediction_precision(device).name)
    return name


def load_training_state(folder: Path, state: TrainingState) -> None:
    """Restore the state written by `save_checkpoint`; only tensors and plain values are unpickled."""
    saved: dict[str, Any] = torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True)
    state.step = saved["step"]
    for group in saved["optimizer"]["param_groups"]:
        group["fused"] = True  # not so in runs of earlier versions
    state.optimizer.load_state_dict(saved["optimizer"])
    state.schedule.load_state_dict(saved["schedule"])
    if saved["scaler"] and state.precision.scaler.is_enabled():  # empty if the run was not in fp16 before
        state.precision.scaler.load_state_dict(saved["scaler"])
