"""Resolution of model names: a hub id, a folder, `s3://...`, or a model of the MLflow registry or of an MLflow run."""

from pathlib import Path
from typing import TYPE_CHECKING

from clism_core.model.cache import cached
from clism_core.utils import storage
from clism_core.utils.digests import folder_state, named_files_digest
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri

if TYPE_CHECKING:
    import mlflow

MODEL_FILE = "config.json"
WEIGHTS = (".safetensors", ".bin")
_LOGGED_MODEL = "m-"
"""Prefix of the ids that MLflow gives to models of runs."""


def resolve_model(name: str) -> str:
    """Resolve a model name to a hub id or local folder for `from_pretrained`.

    A hub id is returned unchanged, any other name as the absolute path of a local folder that contains `config.json`.
    `models:/NAME@ALIAS`, `models:/NAME/3`, `models:/NAME/latest`, `models:/m-ID`, `runs:/ID/PATH` and `s3://...` are
    downloaded to this machine only: call this function on every node that loads the model. Downloads are cached in the
    home folder, below `models`. Raises `InputError` if the model is not found.
    """
    if is_tracked(name):
        name = pin_version(name)
        return _model_folder(cached(_registry_state(name), lambda to: _download_from_registry(name, to)), name)
    if not storage.is_local(name):
        try:
            state = folder_state(name)
            return _model_folder(cached(f"{name} {state}", lambda to: storage.download_folder(name, to)), name)
        except OSError as error:
            raise InputError(f"model {name}: cannot be downloaded: {error}") from error
    if is_folder(name):
        return _model_folder(Path(storage.absolute(name)), name)
    _cached_config(name)
    return name


def pin_version(name: str) -> str:
    """Return `models:/NAME/VERSION` for `models:/NAME@ALIAS` and `models:/NAME/latest`, whose version may change later;
    return other names unchanged."""
    if not is_alias(name):
        return name
    import mlflow

    model, at, alias = name.removeprefix("models:/").partition("@")
    client = mlflow.MlflowClient(tracking_uri())
    try:
        if at:
            return f"models:/{model}/{client.get_model_version_by_alias(model, alias).version}"
        model = model.removesuffix("/latest")
        client.get_registered_model(model)  # raises an error if there is none
        versions = client.search_model_versions(f"name = '{model}'", max_results=1, order_by=["version_number DESC"])
    except mlflow.MlflowException as error:
        raise _not_found(name, error) from error
    if not versions:
        raise InputError(
            f"model {name}: {model} has no versions in the registry at {tracking_uri()}; register one first"
        )
    return f"models:/{model}/{versions[0].version}"


def is_alias(name: str) -> bool:
    """Return whether `name` is `models:/NAME@ALIAS` or `models:/NAME/latest`, whose version may change."""
    return name.startswith("models:/") and ("@" in name or name.endswith("/latest"))


def is_tracked(name: str) -> bool:
    """Return whether `name` is a model of the MLflow registry or of an MLflow run."""
    return name.startswith(("models:/", "runs:/"))


def tracked_run_id(client: "mlflow.MlflowClient", name: str) -> str | None:
    """Return the id of the run that a model of the MLflow registry or of a run comes from; None if it has none.

    Args:
        client: client of the tracking store.
        name: `models:/NAME/3`, `models:/m-ID` or `runs:/ID/PATH`.

    Raises:
        MlflowException: if the store does not know the model.
    """
    kind, _, rest = name.partition(":/")
    if kind == "runs":
        return rest.strip("/").split("/")[0]
    model, _, version = rest.partition("/")
    if model.startswith(_LOGGED_MODEL) and not version:
        return client.get_logged_model(model).source_run_id
    return client.get_model_version(model, version).run_id


def is_folder(name: str) -> bool:
    """Return whether `name` is a local folder."""
    return name != "" and storage.is_local(name) and not is_tracked(name) and Path(storage.absolute(name)).is_dir()


def absolute_if_folder(name: str) -> str:
    """Return the absolute path of a folder, since Ray's workers run in another directory; other names unchanged."""
    return storage.absolute(name) if is_folder(name) else name


def model_digest(folder: str) -> str:
    """Return a hash of the weights in a folder returned by `resolve_model`; for a hub id, the id itself."""
    if not is_folder(folder):
        return folder
    return named_files_digest(str(file) for file in sorted(Path(folder).iterdir()) if file.suffix in WEIGHTS)


def is_hub_id(name: str) -> bool:
    """Return whether `name` is a hub id: neither a path or URI nor a name in the MLflow registry."""
    return ":/" not in name and not is_folder(name)


def hub_commit(name: str) -> str:
    """Return the commit of a hub id that this machine loads, downloading `config.json` if it is not in the hub's cache.

    Raises:
        InputError: if the model is not found.
    """
    return _cached_config(name).parent.name  # the cache has a folder for each commit


def _registry_state(name: str) -> str:
    """Return a cache key that changes when `name` resolves to a different model.

    The name is not enough: a new registry numbers versions from 1 again.
    """
    import mlflow

    client = mlflow.MlflowClient(tracking_uri())
    kind, _, rest = name.partition(":/")
    try:
        if kind == "runs":
            info = client.get_run(rest.strip("/").split("/")[0]).info
            return f"{tracking_uri()} {name} {info.start_time} {info.end_time}"
        model, _, version_number = rest.partition("/")
        if model.startswith(_LOGGED_MODEL) and not version_number:
            return f"{tracking_uri()} {name} {client.get_logged_model(model).creation_timestamp}"
        if not version_number:
            raise InputError(
                f"model {name}: no version; give models:/NAME/3, models:/NAME/latest or models:/NAME@ALIAS"
            )
        version = client.get_model_version(model, version_number)
        return f"{tracking_uri()} {name} {version.creation_timestamp} {version.source}"
    except mlflow.MlflowException as error:
        raise _not_found(name, error) from error


def _download_from_registry(name: str, folder: Path) -> None:
    import mlflow  # takes seconds, and is not needed for hub ids and folders

    mlflow.set_tracking_uri(tracking_uri())  # `models:/` is looked up in the global registry
    try:
        mlflow.artifacts.download_artifacts(name, dst_path=str(folder))
    except (mlflow.MlflowException, OSError) as error:
        raise _not_found(name, error) from error


def _not_found(name: str, error: Exception) -> InputError:
    return InputError(f"model {name}: not found in the registry at {tracking_uri()}: {error}")


def _model_folder(folder: Path, name: str) -> str:
    """Return the topmost folder below `folder` that contains a model: MLflow stores our models in `artifacts/`."""
    candidates = sorted(folder.rglob(MODEL_FILE), key=lambda file: (len(file.parts), file))
    if not candidates:
        raise InputError(f"model {name}: no {MODEL_FILE} found; give a folder written by save_pretrained")
    return str(candidates[0].parent)


def _cached_config(name: str) -> Path:
    from transformers.utils.hub import cached_file

    try:
        return Path(str(cached_file(name, MODEL_FILE)))
    except OSError as error:
        raise InputError(f"model {name}: no such folder, and not found on the Hugging Face hub: {error}") from error
