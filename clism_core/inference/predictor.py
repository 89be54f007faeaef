"""From the folder of a task model to its predictions."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from clism_core.model.precision import best_device
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.predictor import MrcPredictor
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.predictor import NerPredictor
from clism_core.tasks.saved_task import read_task
from clism_core.tasks.task import MrcConfig
from clism_core.utils.quiet import quiet_loading


class Predictor(Protocol):
    """A task model that is ready to predict."""

    def __call__(self, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return a prediction for each record, in their order.

        Raises:
            InputError: where a record lacks what the task wants, naming its place.
        """


def load_predictor(folder: str, *, batch_size: int = 32) -> MrcPredictor | NerPredictor:
    """Load the task model of a local folder, on the GPU where there is one.

    Args:
        folder: what `resolve_model` returns.
        batch_size: inputs of a forward pass at most.

    Raises:
        InputError: if it holds no model of a task.
    """
    task = read_task(folder)
    device = best_device()
    with quiet_loading():
        model = MrcModel.load(folder) if isinstance(task, MrcConfig) else NerModel.load(folder)
    if isinstance(model, MrcModel):
        return MrcPredictor(model, batch_size=batch_size)
    return NerPredictor(model.to(device), batch_size=batch_size)
