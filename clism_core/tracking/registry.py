"""The model registry: new versions become `candidate`, the first one `champion` too."""

import importlib.metadata
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType, Array, Object, Property

import clism_core
from clism_core.tasks.task import TaskName
from clism_core.tracking.run import TrackedRun

CANDIDATE, CHAMPION = "candidate", "champion"
TASK_MODELS: Mapping[TaskName, str] = {"mrc": "clism-mrc", "ner": "clism-ner"}
"""The names of the models of tasks in the registry."""

CARD = "README.md"
MODEL_PACKAGES = ("mlflow", "torch", "transformers", "tokenizers", "safetensors", "numpy")
"""Packages that every registered model needs to be loaded."""
TASK_PACKAGES = (*MODEL_PACKAGES, "babel", "filelock", "pandas", "pyarrow", "pydantic", "regex")
"""What a process has to have for a task model; this project's own code is stored with the model."""

_PACKAGE = Path(clism_core.__file__).parent
_BATCH_SIZE = ParamSpec("batch_size", DataType.integer, 32)
_ENTITY = {"label": "string", "text": "string", "start": "long", "end": "long", "score": "double"}
_SIGNATURES: Mapping[TaskName, ModelSignature] = {
    "mrc": ModelSignature(
        inputs=Schema([ColSpec("string", "question"), ColSpec("string", "context")]),
        outputs=Schema(
            [ColSpec("string", "answer"), ColSpec("double", "score"), ColSpec("long", "start"), ColSpec("long", "end")]
        ),
        params=ParamSchema([_BATCH_SIZE, ParamSpec("n_best", DataType.integer, 1)]),
    ),
    # A list of tokens has a type of its own, but MLflow refuses it where another row has a text instead.
    "ner": ModelSignature(
        inputs=Schema([ColSpec("string", "text", required=False), ColSpec(AnyType(), "tokens", required=False)]),
        outputs=Schema([ColSpec(Array(Object([Property(*each) for each in _ENTITY.items()])), "entities")]),
        params=ParamSchema([_BATCH_SIZE]),
    ),
}
"""MLflow checks inputs by them. Types in `predict` would say the same, but serve one kind of request only."""

_EXAMPLES: Mapping[TaskName, list[dict[str, Any]]] = {
    "mrc": [{"question": "Where was Mary Smith born?", "context": "Mary Smith was born in Paris in 1984."}],
    "ner": [{"text": "Mary Smith was born in Paris."}, {"tokens": ["Mary", "Smith", "lives", "in", "Berlin", "."]}],
}

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


@dataclass(frozen=True)
class RegisteredModel:
    """A version in the registry."""

    name: str
    """Such as `clism-encoder`."""

    version: int
    """Counted from 1."""

    aliases: tuple[str, ...]
    """The aliases that point to this version now."""

    @property
    def uri(self) -> str:
        """The name by which jobs take this very version."""
        return f"models:/{self.name}/{self.version}"


def register_task_model(
    run: TrackedRun, folder: Path, *, task: TaskName, step: int, metrics: Mapping[str, float] | None = None
) -> RegisteredModel:
    """Log the folder of a task model as an MLflow pyfunc of `run` and register it as `clism-mrc` or `clism-ner`.

    This project's code is stored with it, so that it loads where the project is not installed, and predicts there by
    the code that it was made with. A process that has imported `clism_core` before keeps its own.

    Args:
        run: The run that made it.
        folder: What `MrcModel.load` or `NerModel.load` takes; all of it is kept. The heading and first paragraph of its
            card, `README.md`, become the description of the version.
        task: Which task it is for.
        step: The step of training it is from; the run's metrics of this step become the model's.
        metrics: Kept as tags of the version, where the registry's page shows them.
    """
    registered = register_model(
        run,
        folder,
        kind=task,
        name=TASK_MODELS[task],
        code=_PACKAGE / "inference" / "served_model.py",
        packages=TASK_PACKAGES,
        step=step,
        metrics=metrics,
        code_paths=[str(_PACKAGE)],
        signature=_SIGNATURES[task],
        input_example=_EXAMPLES[task],
    )
    card = folder / CARD
    if card.is_file():
        run.client.update_model_version(registered.name, str(registered.version), description_of(card.read_text()))
    return registered


def description_of(card: str) -> str:
    """Return the heading and the first paragraph of a model card in Markdown, without its front matter."""
    return "\n\n".join(_FRONT_MATTER.sub("", card).strip().split("\n\n")[:2])


def register_model(
    run: TrackedRun,
    folder: Path,
    *,
    kind: str,
    name: str,
    code: Path,
    packages: Sequence[str] = MODEL_PACKAGES,
    step: int,
    metrics: Mapping[str, float] | None,
    **options: Any,
) -> RegisteredModel:
    """Log a folder as an MLflow pyfunc of `run` and register it as a new version of `name`.

    Args:
        run: The run that has trained the model.
        folder: Stored as the artefact `model`, with all that it holds.
        kind: Name of the logged model in the run, such as `encoder`.
        name: Name in the registry.
        code: Python file that defines the pyfunc; MLflow stores and runs it.
        packages: Packages that loading the model requires, at the versions installed here.
        step: Training step of the checkpoint; the run's metrics of this step become the model's.
        metrics: Kept as tags of the version, where the registry's page shows them.
        options: Further arguments of `mlflow.pyfunc.log_model`.
    """
    run.flush()
    mlflow.set_tracking_uri(run.tracking_uri)
    client = run.client
    experiment_id = client.get_run(run.run_id).info.experiment_id
    logged = client.create_logged_model(experiment_id, name=kind, source_run_id=run.run_id, model_type=kind)
    info = Model.log(
        None,
        mlflow.pyfunc,
        name=kind,
        run_id=run.run_id,
        model_id=logged.model_id,
        step=step,
        registered_model_name=name,
        python_model=str(code),
        artifacts={"model": str(folder)},
        pip_requirements=list(map(_requirement, packages)),
        **options,
    )
    version = str(info.registered_model_version)
    for tag, value in (metrics or {}).items():
        client.set_model_version_tag(name, version, tag, f"{value:.6g}")
    return _set_aliases(client, name, version)


def _requirement(package: str) -> str:
    # Without the local part of `2.8.0+cpu`: builds for other hardware have others, and PyPI has none.
    return f"{package}=={importlib.metadata.version(package).partition('+')[0]}"


def _set_aliases(client: MlflowClient, name: str, version: str) -> RegisteredModel:
    promoted = version_of(client, name, CHAMPION) is not None
    aliases = (CANDIDATE,) if promoted else (CANDIDATE, CHAMPION)
    for alias in aliases:
        client.set_registered_model_alias(name, alias, version)
    return RegisteredModel(name, int(version), aliases)


def version_of(client: MlflowClient, name: str, alias: str) -> int | None:
    """Return the version that an alias points to; None where there is no such alias, or no such model."""
    # Looking the alias up would raise, and not tell a missing one from a store that cannot be reached.
    found = client.search_registered_models(f"name = '{name}'")
    version = found[0].aliases.get(alias) if found else None
    return None if version is None else int(version)
