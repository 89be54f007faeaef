"""A training as a part of something larger, such as a trial of a sweep or a run of a study."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from clism_core.pretraining import export as pretraining
from clism_core.pretraining.pretrain import pretrain
from clism_core.tasks.finetuning import export as finetuning
from clism_core.tasks.finetuning.finetune import finetune
from clism_core.tracking.run import TrackedRun
from clism_core.training.driver import Hooks
from clism_core.training.export import Delivered, train_and_deliver

TRAININGS: Mapping[str, tuple[Callable[..., Any], Any]] = {
    "pretrain": (pretrain, pretraining),
    "finetune": (finetune, finetuning),
}
"""What trains, and the module that delivers what comes of it, by the names of the jobs."""


def child_run(
    job: Literal["pretrain", "finetune"],
    config: Any,
    *,
    parent: TrackedRun,
    name: str,
    hooks: Hooks,
    tags: Mapping[str, str] | None = None,
) -> Delivered | None:
    """Train and deliver as an MLflow run below `parent`; what is finished in the output folder is taken as it is.

    Args:
        job: whose training it is.
        config: of the job, with absolute paths.
        parent: of what it is a part of.
        name: of the run.
        hooks: what stops the training, and who is told of it.
        tags: more tags of the run.

    Returns:
        None if it was asked to stop before its end.
    """
    train, delivery = TRAININGS[job]
    delivered: Delivered | None = delivery.delivered_before(config)
    return delivered or train_and_deliver(
        job,
        config,
        train=partial(train, hooks=hooks),
        deliver=delivery.deliver,
        name=name,
        tags={MLFLOW_PARENT_RUN_ID: parent.run_id, **(tags or {})},
    )
