"""Default locations: the home folder, the MLflow tracking store and a job's output folder."""

import os
from datetime import UTC, datetime
from pathlib import Path

from clism_core.utils.credentials import check_variables
from clism_core.utils.errors import InputError

SQLITE = "sqlite:///"
HOME = "$CLISM_HOME"


def home() -> Path:
    """Return the absolute path of the home folder, `CLISM_HOME` or `~/.clism`, and create it if it does not exist.

    Raises:
        InputError: if it cannot be created.
    """
    folder = Path(os.environ.get("CLISM_HOME") or "~/.clism").expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"CLISM_HOME {folder}: cannot be created: {error.strerror}; set it to a folder that can be written"
        ) from error
    return folder


def with_home(path: str) -> str:
    """Return `path` with the home folder for `$CLISM_HOME` at its start, whether or not the variable is set."""
    return str(home()) + path.removeprefix(HOME) if path == HOME or path.startswith(f"{HOME}/") else path


def tracking_uri() -> str:
    """Return the MLflow tracking URI: `MLFLOW_TRACKING_URI`, or a SQLite file in the home folder.

    The path of a SQLite file is made absolute, because Ray's workers run in another working directory.

    Raises `InputError` if the URI contains credentials.
    """
    check_variables(["MLFLOW_TRACKING_URI"])
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{home() / 'mlflow.db'}"
    if uri.startswith(SQLITE):
        return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).absolute()}"
    return uri


def default_output(job: str) -> str:
    """Return the default output folder of a job: `HOME/outputs/JOB-yyyymmdd-hhmmss` (UTC)."""
    return str(home() / "outputs" / f"{job}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
