"""MLflow runs, plots and the model registry."""

import os

# Read by MLflow when it is imported. No telemetry is sent unless the user enables it, and the requirements of models
# are listed by us instead of being looked up in a package index.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
