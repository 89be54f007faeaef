"""From a fine-tuned checkpoint to a model that others find."""

import dataclasses
from functools import partial

import yaml

from clism_core.model.resolve import pin_version, resolve_model
from clism_core.tasks.finetuning.card import dev_table, task_card
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.data import load_data
from clism_core.tasks.finetuning.finetune import Finetuned, run_identity, sources_identity
from clism_core.tasks.registration import register_task_model
from clism_core.tracking.plots import log_dev_plots
from clism_core.tracking.run import TrackedRun
from clism_core.training.config import CONFIG_FILE
from clism_core.training.export import Delivered, deliver_model, read_delivered
from clism_core.training.resume import check_same_run
from clism_core.utils.storage import join, read_bytes


def deliver(config: FinetuneConfig, finetuned: Finetuned, run: TrackedRun) -> Delivered:
    """Deliver the task model."""
    return deliver_model(
        config,
        finetuned,
        run,
        card=task_card(config, finetuned),
        table=dev_table(finetuned.metrics),
        samples=finetuned.examples,
        log_plots=log_dev_plots,
        register=partial(register_task_model, task=config.task),
    )


def delivered_before(config: FinetuneConfig) -> Delivered | None:
    """Return what a finished run has left in the output folder; None where there is no finished run.

    None, too, where the model is now to be another checkpoint or to be registered: it is delivered once more.

    Raises:
        InputError: if that run had another configuration, other data or another model.
    """
    delivered = read_delivered(config.output)
    if delivered is None:
        return None
    check_same_run(config.output, run_identity(config))
    if not _sources_have_kept_their_names(config):  # they may have moved, or may be others
        check_same_run(config.output, sources_identity(load_data(config), resolve_model(config.model)))
    return delivered.if_wanted(output=config.output, export=config.export, register=config.register)


def _sources_have_kept_their_names(config: FinetuneConfig) -> bool:
    before = yaml.safe_load(read_bytes(join(config.output, CONFIG_FILE)))
    now = dataclasses.asdict(config) | {"model": pin_version(config.model)}
    return all(before[name] == now[name] for name in ("model", "train", "dev"))
