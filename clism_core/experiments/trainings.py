"""The trainings that sweeps and studies consist of, and their runs below the MLflow run of the whole."""

from collections.abc import Mapping
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from clism_core.pretraining.training import PRETRAINING
from clism_core.tasks.finetuning.training import FINETUNING
from clism_core.tracking.run import TrackedRun
from clism_core.training.driver import Hooks
from clism_core.training.export import ExportedModel
from clism_core.training.training import Training

TRAININGS: Mapping[str, Training[Any, Any]] = {training.name: training for training in (PRETRAINING, FINETUNING)}
"""The trainings by the names of their jobs, each after those whose models it takes."""


def child_run(
    job: str,
    config: Any,
    *,
    parent: TrackedRun,
    name: str,
    hooks: Hooks,
    tags: Mapping[str, str] | None = None,
) -> ExportedModel | None:
    """Train and export as an MLflow run below `parent`; a run that is finished in the output folder is kept.

    Args:
        job: name of the training.
        config: its configuration, with absolute paths.
        parent: MLflow run of the sweep or study.
        name: name of the new MLflow run.
        hooks: hooks of the sweep or study.
        tags: more tags of the MLflow run.

    Returns:
        None if a stop request came before the end.
    """
    training = TRAININGS[job]
    below = {MLFLOW_PARENT_RUN_ID: parent.run_id, **(tags or {})}
    return training.find_finished(config) or training.run(config, hooks=hooks, name=name, tags=below)
