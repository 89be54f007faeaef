"""`predict` of registered task models. MLflow stores this file with the model and runs it directly."""

from threading import Lock
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from clism_core.inference.predictor import load_predictor
from clism_core.tasks.predictor import BATCH_SIZE
from clism_core.tasks.registry import task_of
from clism_core.utils.errors import InputError


class ServedTaskModel(PythonModel):
    """Predictions of the task model in a folder."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the artefact `model`, on a GPU if there is one."""
        self.model = load_predictor(context.artifacts["model"]).model.eval()
        # MLflow's server calls `predict` from several threads: concurrent calls would need several times the memory and
        # share one tokenizer
        self.lock = Lock()

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Return a prediction for each row, as the predictor of the task does.

        Args:
            context: ignored.
            model_input: the fields of the task's records as columns. MLflow converts the inputs of its own `predict` or
                of a request to this format.
            params: `batch_size`, the maximum number of inputs in a forward pass; further options of the task, such as
                `n_best` for the number of answers to a question.
        """
        if model_input.columns.empty:  # MLflow drops columns that are not in the signature
            raise InputError("the columns that this model accepts are missing; see its signature")
        records = [
            {column: value for column, value in row.items() if not _is_missing(value)}
            for row in model_input.to_dict("records")
        ]
        options = {"batch_size": BATCH_SIZE} | (params or {})
        batch_size = options.pop("batch_size")
        with self.lock:
            return task_of(self.model.config).predictor(self.model, batch_size=batch_size)(records, **options)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and pd.isna(value))


mlflow.models.set_model(ServedTaskModel())
