"""MLflow: runs, plots and the model registry."""
