"""Where things go when the user names no place: the home folder, the tracking store, a job's output folder."""

import os
from datetime import UTC, datetime
from pathlib import Path

SQLITE = "sqlite:///"


def home() -> Path:
    """Return the absolute home folder, `CLISM_HOME` or `~/.clism`, and make it if it is not there."""
    folder = Path(os.environ.get("CLISM_HOME") or "~/.clism").expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tracking_uri() -> str:
    """Return the MLflow tracking URI: `MLFLOW_TRACKING_URI`, or a SQLite file in the home folder.

    The path of a SQLite file is made absolute, for Ray's workers change into another folder.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{home() / 'mlflow.db'}"
    if uri.startswith(SQLITE):
        return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).absolute()}"
    return uri


def default_output(job: str) -> str:
    """Return the folder for the output of a job that was given none: `HOME/outputs/JOB-yyyymmdd-hhmmss` (UTC)."""
    return str(home() / "outputs" / f"{job}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
