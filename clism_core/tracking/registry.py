"""The model registry: new versions become `candidate`, the first one `champion` too."""

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
"""Packages that every registered model needs to be loaded."""


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
    promoted = version_with_alias(client, name, CHAMPION) is not None
    aliases = (CANDIDATE,) if promoted else (CANDIDATE, CHAMPION)
    for alias in aliases:
        client.set_registered_model_alias(name, alias, version)
    return RegisteredModel(name, int(version), aliases)


def version_with_alias(client: MlflowClient, name: str, alias: str) -> int | None:
    """Return the version that an alias points to; None where there is no such alias, or no such model."""
    # Looking the alias up would raise, and not tell a missing one from a store that cannot be reached.
    found = client.search_registered_models(f"name = '{name}'")
    version = found[0].aliases.get(alias) if found else None
    return None if version is None else int(version)
