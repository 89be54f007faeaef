"""Loading of predictors from the folders of task models."""

from typing import Any

from clism_core.model.precision import find_device, prediction_precision
from clism_core.tasks.predictor import BATCH_SIZE, Predictor
from clism_core.tasks.registry import read_task, task_of


def load_predictor(folder: str, *, batch_size: int = BATCH_SIZE, device: str | None = None) -> Predictor[Any]:
    """Load the predictor of a task model.

    Args:
        folder: hub id or local folder, as `resolve_model` returns it.
        batch_size: maximum number of inputs in a forward pass.
        device: device of torch; None: the GPU if there is one.

    Raises:
        InputError: if the folder does not contain a task model, or the device cannot be used.
    """
    precision = prediction_precision(find_device(device))
    task = task_of(read_task(folder))
    return task.predictor(task.model.load(folder), batch_size=batch_size, precision=precision)
