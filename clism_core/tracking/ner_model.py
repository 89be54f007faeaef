"""The registered NER model's `predict`. MLflow keeps and runs this file by itself.

MLflow reads the signature of the model from the types here, and checks inputs by it.
"""

from typing import Any, cast

import mlflow
import torch
from mlflow.pyfunc import PythonModel, PythonModelContext
from pydantic import BaseModel

from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.predictor import NerPredictor

BATCH_SIZE = 32


class Sentence(BaseModel):
    """A sentence, as one text or as tokens; other keys are ignored."""

    text: str | None = None
    tokens: list[str] | None = None


class Entity(BaseModel):
    """A named entity: `start` to `end` count characters of a text, or tokens, `end` exclusive."""

    label: str
    text: str
    start: int
    end: int
    score: float
    """Probability, 0 to 1."""


class Entities(BaseModel):
    """The entities of a sentence, from left to right."""

    entities: list[Entity]


class RegisteredNerModel(PythonModel):
    """Finds entities by the task model of a folder."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the artefact `model`."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = NerModel.load(context.artifacts["model"]).to(device)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: list[Sentence],
        params: dict[str, Any] | None = None,
    ) -> list[Entities]:
        """Return the entities of each sentence, as plain dictionaries.

        `params` may have `batch_size`, the inputs of a forward pass.
        """
        predictor = NerPredictor(self.model, batch_size=(params or {}).get("batch_size", BATCH_SIZE))
        found = predictor([sentence.model_dump(exclude_none=True) for sentence in model_input])
        return cast("list[Entities]", found)


mlflow.models.set_model(RegisteredNerModel())
