"""Check that the tracking store can be used, within seconds and before any work starts."""

import re
import sqlite3
from contextlib import closing

import sqlalchemy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy.exc import SQLAlchemyError

from clism_core.tracking.lifecycle import EXPERIMENT
from clism_core.tracking.server import wait_for_server
from clism_core.utils.environment import environment_variables
from clism_core.utils.errors import InputError
from clism_core.utils.home import SQLITE, tracking_uri

_QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""MLflow's settings for the check; by default it retries for minutes, which later requests need."""


def check_tracking(*, waits: bool = False) -> None:
    """Check that the current tracking store can be opened and, if it is a file, written.

    Args:
        waits: whether to wait for a server that does not answer, as a job that was lost with its server has to.

    Raises:
        InputError: with the reason.
        TrackingUnavailableError: if the server does not answer within `CLISM_TRACKING_TIMEOUT` seconds.
    """
    uri = tracking_uri()
    if waits:
        wait_for_server(uri)
    try:
        if uri.startswith(SQLITE):
            _check_sqlite(uri.removeprefix(SQLITE))
        elif re.split(r"[:+]", uri)[0] in DATABASE_ENGINES:  # MLflow would retry for minutes
            with closing(sqlalchemy.create_engine(uri).connect()):
                pass
        with environment_variables(_QUICK):
            experiment = MlflowClient(uri).get_experiment_by_name(EXPERIMENT)
        if experiment is not None and experiment.name != EXPERIMENT:
            raise MlflowException("the answer is not from an MLflow server")
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        raise InputError(f"MLflow's tracking store {uri} cannot be used: {_reason(error)}; {_advice(uri)}") from error


def _check_sqlite(file: str) -> None:
    with closing(sqlite3.connect(file, timeout=5)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")  # fails if the file cannot be written
            database.execute("SELECT count(*) FROM sqlite_master")  # fails if it is no database
            database.rollback()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):  # busy, which MLflow waits for
                raise


def _reason(error: Exception) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    cause = re.search(r"Caused by (.*)\)$", line)  # of a request that was repeated
    return cause[1] if cause else line


def _advice(uri: str) -> str:
    if uri.startswith("http"):
        return (
            "set MLFLOW_TRACKING_URI to a running MLflow server, and MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN if it requires them"
        )
    if uri.startswith(SQLITE):
        return "make it writable, move a damaged file away, or set CLISM_HOME or MLFLOW_TRACKING_URI to another place"
    return "set MLFLOW_TRACKING_URI to an MLflow server or database that can be reached"
