"""Task models in the model registry."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType, Array, Object, Property

import clism_core
from clism_core.tasks.predictor import BATCH_SIZE
from clism_core.tasks.registry import TASKS, AnyTask, TaskName
from clism_core.tracking.registry import MODEL_PACKAGES, RegisteredModel, register_model
from clism_core.tracking.run import TrackedRun

CARD = "README.md"
TASK_PACKAGES = (*MODEL_PACKAGES, "annotated_types", "babel", "filelock", "pandas", "pyarrow", "pydantic", "regex")
"""Packages required to load a task model; the code of this project is stored with the model."""

_PACKAGE = Path(clism_core.__file__).parent
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_OUTPUT_TYPES = {pa.string(): "string", pa.float64(): "double", pa.int64(): "long"}


def register_task_model(
    run: TrackedRun, folder: Path, *, task: TaskName, step: int, metrics: Mapping[str, float] | None = None
) -> RegisteredModel:
    """Log the folder of a task model as an MLflow pyfunc of `run` and register it as `clism-TASK`.

    The code of this project is stored with the model, which therefore loads without an installed project and predicts
    with the code that trained it. A process that has already imported `clism_core` keeps using its own code.

    Args:
        run: the run that trained the model.
        folder: folder that `TaskModel.load` can read; all of it is stored. The heading and first paragraph of its
            card, `README.md`, become the description of the version.
        task: name of the task.
        step: training step of the checkpoint; the run's metrics at this step become the model's.
        metrics: scores to store as tags of the version, which the registry's page shows.
    """
    task_object = TASKS[task]
    registered = register_model(
        run,
        folder,
        kind=task,
        name=task_object.registered_name,
        code=_PACKAGE / "inference" / "served_model.py",
        packages=TASK_PACKAGES,
        step=step,
        metrics=metrics,
        code_paths=[str(_PACKAGE)],
        signature=signature(task_object),
        input_example=list(task_object.input_example),
    )
    card = folder / CARD
    if card.is_file():
        run.client.update_model_version(registered.name, str(registered.version), description_of(card.read_text()))
    return registered


def signature(task: AnyTask) -> ModelSignature:
    """Return the signature with which MLflow validates inputs.

    Type hints on the pyfunc's `predict` would express the same, but support only one request format.
    """
    fields = task.record_fields
    # As a string, null would become the text "None", and a number its digits; as an array, tokens would be rejected if
    # another row had a text instead. The predictor checks the values.
    params = {"batch_size": BATCH_SIZE, **task.predict_options}
    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), name, required=fields.needed == "all") for name in fields.kinds]),
        outputs=Schema([ColSpec(_output_type(column.type), column.name) for column in task.output_schema]),
        params=ParamSchema([ParamSpec(name, DataType.integer, default) for name, default in params.items()]),
    )


def _output_type(kind: pa.DataType) -> Any:
    """Return the MLflow type that corresponds to an Arrow type."""
    if pa.types.is_list(kind):
        return Array(_output_type(kind.value_type))
    if pa.types.is_struct(kind):
        return Object([Property(field.name, _output_type(field.type)) for field in kind])
    return _OUTPUT_TYPES[kind]


def description_of(card: str) -> str:
    """Return the heading and first paragraph of a Markdown model card, without the front matter."""
    return "\n\n".join(_FRONT_MATTER.sub("", card).strip().split("\n\n")[:2])
