"""The registered question answering model's `predict`. MLflow keeps and runs this file by itself.

MLflow reads the signature of the model from the types here, and checks inputs by it.
"""

from typing import Any, cast

import mlflow
from mlflow.pyfunc import PythonModel, PythonModelContext
from pydantic import BaseModel

from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.predictor import MrcPredictor

BATCH_SIZE, N_BEST = 32, 1


class Question(BaseModel):
    """A question about a passage; other keys are ignored."""

    question: str
    context: str


class Choice(BaseModel):
    """A run of the passage: `context[start:end]`, in Unicode code points."""

    answer: str
    score: float
    """Probability, 0 to 1."""
    start: int
    end: int


class Answer(Choice):
    """The best answer."""

    n_best: list[Choice] | None = None
    """All answers that were asked for, best first; only where `n_best` is more than 1."""


class RegisteredMrcModel(PythonModel):
    """Answers by the task model of a folder."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the artefact `model`."""
        self.model = MrcModel.load(context.artifacts["model"])

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: list[Question],
        params: dict[str, Any] | None = None,
    ) -> list[Answer]:
        """Return one answer a question, as plain dictionaries.

        `params` may have `n_best`, the number of answers to a question, and `batch_size`, the inputs of a forward pass.
        """
        given = {"batch_size": BATCH_SIZE, "n_best": N_BEST} | (params or {})
        predictor = MrcPredictor(self.model, batch_size=given["batch_size"])
        answers = predictor([question.model_dump() for question in model_input], n_best=given["n_best"])
        return cast("list[Answer]", answers)


mlflow.models.set_model(RegisteredMrcModel())
