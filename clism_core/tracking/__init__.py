"""MLflow runs, plots and the model registry."""

import os

# Read by MLflow when it is imported. No telemetry is sent unless the user enables it, and the requirements of models
# are listed by us instead of being looked up in a package index.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", "true")
# Metrics of several steps are written in one transaction, because a step of the demo is as fast as a write to SQLite.
os.environ.setdefault("MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS", "2")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
