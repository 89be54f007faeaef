"""An MLflow server in this process, which can go away and come back."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from local_server import LocalServer


class Server(LocalServer):
    """MLflow's own web application on a SQLite file, at a fixed port of 127.0.0.1.

    Args:
        store: SQLite file with MLflow's tables.
        environment: variables by which the application finds its store.
    """

    def __init__(self, store: Path, environment: pytest.MonkeyPatch):
        environment.setenv("_MLFLOW_SERVER_FILE_STORE", f"sqlite:///{store}")
        environment.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", (store.parent / "artifacts").as_uri())
        from mlflow.server import handlers

        environment.setattr(handlers, "_tracking_store", None)
        environment.setattr(handlers, "_model_registry_store", None)
        # The application sets the stores of its process, which is the test's, too: the registry's is never reset.
        environment.setattr(handlers.registry_utils, "set_registry_uri", lambda _: None)
        handlers._get_tracking_store()  # now, because it sets MLFLOW_TRACKING_URI of this process
        self.lost_answers = 0
        """Number of next writes of metrics that are stored, but answered by an error."""
        self.authorization = ""
        """Header `Authorization` without which requests are refused; empty: all are answered."""
        super().__init__()

    def answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        from mlflow.server import app

        if self.authorization not in ("", environ.get("HTTP_AUTHORIZATION")):
            start_response("401 Unauthorized", [])
            return [b""]
        if not (self.lost_answers and environ["PATH_INFO"].endswith("log-batch")):
            return app(environ, start_response)
        self.lost_answers -= 1
        list(app(environ, lambda *_: lambda _: None))
        start_response("500 Internal Server Error", [])
        return [b""]
