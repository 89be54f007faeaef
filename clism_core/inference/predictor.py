"""From the folder of a task model to its predictor."""

from typing import Any

from clism_core.tasks.predictor import BATCH_SIZE, Predictor
from clism_core.tasks.registry import read_task, task_of
from clism_core.utils.quiet import quiet_loading


def load_predictor(folder: str, *, batch_size: int = BATCH_SIZE) -> Predictor[Any]:
    """Load the task model of a local folder, on the GPU where there is one.

    Args:
        folder: what `resolve_model` returns.
        batch_size: inputs of a forward pass at most.

    Raises:
        InputError: if it holds no model of a task.
    """
    task = task_of(read_task(folder))
    with quiet_loading():
        model = task.model.load(folder)
    return task.predictor(model, batch_size=batch_size)
