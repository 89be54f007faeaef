"""The registered task model's `predict`. MLflow keeps and runs this file by itself."""

from threading import Lock
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from clism_core.inference.predictor import load_predictor
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.predictor import MrcPredictor
from clism_core.tasks.ner.predictor import NerPredictor
from clism_core.utils.errors import InputError

BATCH_SIZE, N_BEST = 32, 1


class TaskModel(PythonModel):
    """Answers or entities by the task model of a folder."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the artefact `model`, on the GPU where there is one."""
        self.model = load_predictor(context.artifacts["model"]).model.eval()
        # MLflow's server calls `predict` from several threads: together they would want several times the memory, and
        # use one tokenizer at the same time
        self.lock = Lock()

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Return a prediction for each row, as the predictor of the task does.

        Args:
            context: not looked at.
            model_input: `question` and `context`; or `text` and `tokens`, one of them in each row. MLflow makes it of
                whatever its own `predict` or a request holds.
            params: `batch_size`, the inputs of a forward pass; for questions `n_best`, how many answers to each.
        """
        given = {"batch_size": BATCH_SIZE, "n_best": N_BEST} | (params or {})
        if model_input.columns.empty:  # MLflow leaves out columns that the signature does not have
            raise InputError("no row has any of the columns that this model wants; see its signature")
        records = [
            {column: value for column, value in row.items() if not _is_missing(value)}
            for row in model_input.to_dict("records")
        ]
        with self.lock:
            if isinstance(self.model, MrcModel):
                return MrcPredictor(self.model, batch_size=given["batch_size"])(records, n_best=given["n_best"])
            return NerPredictor(self.model, batch_size=given["batch_size"])(records)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and pd.isna(value))


mlflow.models.set_model(TaskModel())
