"""What a job may be given as its model: a hub id, a folder, `s3://...`, or a model or run of the MLflow registry."""

import tempfile
from pathlib import Path

from clism_core import storage
from clism_core.errors import InputError
from clism_core.home import tracking_uri

MODEL_FILE = "config.json"


def resolve_model(name: str) -> str:
    """Return what `from_pretrained` takes for the model called `name`.

    A hub id comes back unchanged. Anything else becomes the absolute path of a local folder that holds `config.json`:
    `models:/NAME@ALIAS`, `models:/NAME/3`, `models:/NAME/latest`, `runs:/ID/PATH` and `s3://...` are downloaded,
    to this machine only: call it on every node that loads the model. Raises `InputError` where there is no model.
    """
    if name.startswith(("models:/", "runs:/")):
        return _model_folder(_download_from_registry(name), name)
    if not storage.is_local(name):
        folder = Path(tempfile.mkdtemp(prefix="clism-model-"))
        try:
            storage.download_folder(name, folder)
        except OSError as error:
            raise InputError(f"model {name}: cannot be downloaded: {error}") from error
        return _model_folder(folder, name)
    folder = Path(storage.absolute(name))
    if folder.is_dir():
        return _model_folder(folder, name)
    _check_hub_id(name)
    return name


def pin_version(name: str) -> str:
    """Return `models:/NAME/VERSION` for `models:/NAME@ALIAS`, which may be moved meanwhile; other names as they are."""
    if not (name.startswith("models:/") and "@" in name):
        return name
    import mlflow

    model, alias = name.removeprefix("models:/").split("@", 1)
    try:
        version = mlflow.MlflowClient(tracking_uri()).get_model_version_by_alias(model, alias).version
    except mlflow.MlflowException as error:
        raise InputError(f"model {name}: not found in the registry at {tracking_uri()}: {error}") from error
    return f"models:/{model}/{version}"


def is_hub_id(name: str) -> bool:
    """Tell whether `name` is neither a place nor a name of the MLflow registry."""
    return ":/" not in name and not Path(storage.absolute(name)).is_dir()


def _download_from_registry(name: str) -> Path:
    import mlflow  # takes seconds, and hub ids and folders need none of it

    mlflow.set_tracking_uri(tracking_uri())  # `models:/` is looked up in the global one
    try:
        return Path(mlflow.artifacts.download_artifacts(name))
    except (mlflow.MlflowException, OSError) as error:
        raise InputError(f"model {name}: not found in the registry at {tracking_uri()}: {error}") from error


def _model_folder(folder: Path, name: str) -> str:
    """Return the folder nearest to the top of `folder` that holds a model: MLflow puts ours below `artifacts/`."""
    found = sorted(folder.rglob(MODEL_FILE), key=lambda file: (len(file.parts), file))
    if not found:
        raise InputError(f"model {name}: no {MODEL_FILE} in it; give a folder that save_pretrained has written")
    return str(found[0].parent)


def _check_hub_id(name: str) -> None:
    from transformers.utils.hub import cached_file

    try:
        cached_file(name, MODEL_FILE)
    except OSError as error:
        raise InputError(f"model {name}: no such folder, and not found on the Hugging Face hub: {error}") from error
