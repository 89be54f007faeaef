"""MLflow runs, plots and the model registry."""

import os

# Read by MLflow when it is imported. Nothing is sent to anybody unless the user asks for it, and what a model needs is
# written down by us, not looked up in a package index.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", "true")
# Metrics of several steps go into one transaction: a step of the demo takes no longer than a write to SQLite.
os.environ.setdefault("MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS", "2")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
