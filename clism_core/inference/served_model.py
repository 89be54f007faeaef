"""`predict` of registered task models. MLflow stores this file with the model and runs it directly."""

from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext

from clism_core.inference.predictor import load_predictor
from clism_core.inference.task_pipeline import TaskPipeline
from clism_core.utils.errors import InputError


class ServedTaskModel(PythonModel):
    """Predictions of the task model in a folder."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the artefact `model`, on a GPU if there is one."""
        self.pipeline = TaskPipeline(load_predictor(context.artifacts["model"]))

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

        Raises:
            MlflowException: if a record or an option is invalid; MLflow's server answers with status 400 and the
                message.
        """
        try:
            return self.pipeline.predict(read_records(model_input), **(params or {}))
        except InputError as error:  # the server answers 400, with this message, only to MLflow's own exception
            raise MlflowException.invalid_parameter_value(str(error)) from error


def read_records(model_input: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return a record for each row, without the fields whose value is null or NaN.

    Raises:
        InputError: if no column has the name of a field.
    """
    if model_input.columns.empty:  # MLflow drops columns that are not in the signature
        raise InputError("the columns that this model accepts are missing; see its signature")
    return [
        {field: value for field, value in row.items() if not _is_missing(value)}
        for row in model_input.to_dict("records")
    ]


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and pd.isna(value))


mlflow.models.set_model(ServedTaskModel())
