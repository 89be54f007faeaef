"""The registered task model's `predict`. MLflow keeps and runs this file by itself."""

from threading import Lock
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from clism_core.inference.predictor import load_predictor
from clism_core.tasks.predictor import BATCH_SIZE
from clism_core.tasks.registry import task_of
from clism_core.utils.errors import InputError


class TaskModel(PythonModel):
    """Predictions by the task model of a folder."""

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
            model_input: the fields of the task's records as columns. MLflow makes it of whatever its own `predict` or
                a request holds.
            params: `batch_size`, the maximum inputs of a forward pass; further options of the task, such as `n_best`
                for the number of answers to a question.
        """
        if model_input.columns.empty:  # MLflow leaves out columns that the signature does not have
            raise InputError("no row has any of the columns that this model wants; see its signature")
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


mlflow.models.set_model(TaskModel())
