"""Export of a fine-tuned checkpoint as a model, and its registration."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from clism_core.model.resolve import pin_version, resolve_model
from clism_core.tasks.finetuning.card import dev_table, task_card
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.data import load_data
from clism_core.tasks.finetuning.finetune import Finetuned, run_identity, sources_identity
from clism_core.tasks.registration import register_task_model
from clism_core.tracking.registry import RegisteredModel
from clism_core.tracking.run import TrackedRun
from clism_core.training.config import read_config
from clism_core.training.export import ExportedModel, export_model
from clism_core.training.resume import check_same_run


def export(config: FinetuneConfig, finetuned: Finetuned, run: TrackedRun) -> ExportedModel:
    """Export the task model."""
    return export_model(
        config,
        finetuned,
        run,
        card=task_card(config, finetuned),
        table=dev_table(finetuned.metrics),
        samples=finetuned.examples,
    )


def register(
    config: FinetuneConfig, run: TrackedRun, folder: Path, *, step: int, metrics: Mapping[str, float]
) -> RegisteredModel:
    """Register a task model that a run trained."""
    return register_task_model(run, folder, task=config.task, step=step, metrics=metrics)


def check_finished(config: FinetuneConfig) -> None:
    """Compare a configuration, its data and its initial model with those of the finished run in its output folder.

    Raises:
        InputError: if they differ.
    """
    check_same_run(config.output, run_identity(config))
    if not _sources_are_unchanged(config):  # moved, or replaced
        check_same_run(config.output, sources_identity(load_data(config), resolve_model(config.model)))


def _sources_are_unchanged(config: FinetuneConfig) -> bool:
    """Return whether the paths of the data and the name of the initial model are those of the finished run."""
    previous = read_config(config.output)
    current = dataclasses.asdict(config) | {"model": pin_version(config.model)}
    return all(previous.get(name) == current[name] for name in ("model", "train", "dev"))
