"""The model registry: each new version becomes `candidate`, and the first one also `champion`."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.models import Model

from clism_core.tracking.run import TrackedRun

CANDIDATE, CHAMPION = "candidate", "champion"
MODEL_PACKAGES = ("mlflow", "torch", "transformers", "tokenizers", "safetensors", "numpy")
"""Packages required to load any registered model."""


@dataclass(frozen=True)
class RegisteredModel:
    """Version of a model in the registry."""

    name: str
    """Name in the registry, such as `clism-encoder`."""

    version: int
    """Number of the version, from 1."""

    aliases: tuple[str, ...]
    """Aliases that point to this version when it is registered."""

    @property
    def uri(self) -> str:
        """URI of exactly this version, as a model name for jobs."""
        return f"models:/{self.name}/{self.version}"


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
        run: The run that trained the model.
        folder: Folder of the model, stored as the artefact `model`.
        kind: Name of the logged model in the run, such as `encoder`.
        name: Name in the registry.
        code: Python file that defines the pyfunc; MLflow stores and runs it.
        packages: Packages that loading the model requires, at the versions installed here.
        step: Training step of the checkpoint; the run's metrics of this step become the model's.
        metrics: Stored as tags of the version, which the registry's page shows.
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
    # Without the local part, as in `2.8.0+cpu`, which differs by hardware and does not exist on PyPI.
    return f"{package}=={importlib.metadata.version(package).partition('+')[0]}"


def _set_aliases(client: MlflowClient, name: str, version: str) -> RegisteredModel:
    promoted = version_with_alias(client, name, CHAMPION) is not None
    aliases = (CANDIDATE,) if promoted else (CANDIDATE, CHAMPION)
    for alias in aliases:
        client.set_registered_model_alias(name, alias, version)
    return RegisteredModel(name, int(version), aliases)


def version_with_alias(client: MlflowClient, name: str, alias: str) -> int | None:
    """Return the version to which an alias points; None if the alias or the model does not exist."""
    # A direct look-up raises the same error for a missing alias and for a store that cannot be reached.
    models = client.search_registered_models(f"name = '{name}'")
    version = models[0].aliases.get(alias) if models else None
    return None if version is None else int(version)
