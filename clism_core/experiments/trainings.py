"""Trainings that sweeps and studies run, as child runs in MLflow."""

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
"""Trainings by job name, each after those whose models it uses."""


def child_run(
    job: str,
    config: Any,
    *,
    parent: TrackedRun,
    name: str,
    hooks: Hooks,
    tags: Mapping[str, str] | None = None,
) -> ExportedModel | None:
    """Train and export in a child run of `parent`, unless the output folder contains a finished run.

    Args:
        job: name of the training.
        config: configuration of the job, with absolute paths.
        parent: MLflow run of the sweep or study.
        name: name of the new MLflow run.
        hooks: hooks of the sweep or study.
        tags: additional tags of the MLflow run.

    Returns:
        The exported model; None if the run was asked to stop before its end.
    """
    training = TRAININGS[job]
    below = {MLFLOW_PARENT_RUN_ID: parent.run_id, **(tags or {})}
    return training.find_finished(config) or training.run(config, hooks=hooks, name=name, tags=below)
