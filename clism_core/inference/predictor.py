"""Loading of predictors from the folders of task models."""

from typing import Any

from clism_core.tasks.predictor import BATCH_SIZE, Predictor
from clism_core.tasks.registry import read_task, task_of


def load_predictor(folder: str, *, batch_size: int = BATCH_SIZE) -> Predictor[Any]:
    """Load the predictor of the task model in a local folder, on a GPU if there is one.

    Args:
        folder: folder, as `resolve_model` returns it.
        batch_size: maximum number of inputs in a forward pass.

    Raises:
        InputError: if the folder does not contain a task model.
    """
    task = task_of(read_task(folder))
    return task.predictor(task.model.load(folder), batch_size=batch_size)
