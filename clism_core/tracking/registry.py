"""The model registry: new versions become `candidate`, the first one `champion` too."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient, MlflowException
from mlflow.models import Model

from clism_core.tracking.run import TrackedRun

ENCODER, CANDIDATE, CHAMPION = "clism-encoder", "candidate", "champion"
ENCODER_MODEL = Path(__file__).with_name("encoder_model.py")
ENCODER_PACKAGES = ("mlflow", "torch", "transformers", "tokenizers", "safetensors", "numpy")


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


def register_encoder(
    run: TrackedRun, folder: Path, *, step: int, metrics: Mapping[str, float] | None = None
) -> RegisteredModel:
    """Log the folder of a pre-trained encoder as an MLflow pyfunc of `run` and register it as `clism-encoder`.

    Args:
        run: The run that made it.
        folder: What `from_pretrained` loads, and the heads beside it; all of it is kept.
        step: The step of training it is from; the run's metrics of this step become the model's.
        metrics: Kept as tags of the version, where the registry's page shows them.
    """
    run.flush()
    mlflow.set_tracking_uri(run.tracking_uri)
    client = run.client
    experiment_id = client.get_run(run.run_id).info.experiment_id
    logged = client.create_logged_model(experiment_id, name="encoder", source_run_id=run.run_id, model_type="encoder")
    info = Model.log(
        None,
        mlflow.pyfunc,
        name="encoder",
        run_id=run.run_id,
        model_id=logged.model_id,
        step=step,
        registered_model_name=ENCODER,
        python_model=str(ENCODER_MODEL),
        artifacts={"model": str(folder)},
        pip_requirements=[f"{package}=={importlib.metadata.version(package)}" for package in ENCODER_PACKAGES],
    )
    version = str(info.registered_model_version)
    for name, value in (metrics or {}).items():
        client.set_model_version_tag(ENCODER, version, name, f"{value:.6g}")
    return _set_aliases(client, ENCODER, version)


def _set_aliases(client: MlflowClient, name: str, version: str) -> RegisteredModel:
    aliases = (CANDIDATE,) if _has_alias(client, name, CHAMPION) else (CANDIDATE, CHAMPION)
    for alias in aliases:
        client.set_registered_model_alias(name, alias, version)
    return RegisteredModel(name, int(version), aliases)


def _has_alias(client: MlflowClient, name: str, alias: str) -> bool:
    try:
        client.get_model_version_by_alias(name, alias)
    except MlflowException:
        return False
    return True
