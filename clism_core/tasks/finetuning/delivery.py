"""From a fine-tuned checkpoint to a model that others find: the folder, the registry, and a note that all is done."""

import dataclasses
import tempfile
from pathlib import Path

import yaml

from clism_core.model.names import pin_version, resolve_model
from clism_core.storage import join, read_bytes, upload_folder
from clism_core.tasks.finetuning.card import dev_table, task_card
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.data import load_data
from clism_core.tasks.finetuning.finetune import Finetuned, run_identity, sources_identity
from clism_core.tracking.plots import log_dev_plots
from clism_core.tracking.registry import register_task_model
from clism_core.tracking.run import TrackedRun
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.training.delivered import Delivered, read_delivered
from clism_core.training.identity import check_same_run
from clism_core.training.settings import CONFIG_FILE, dump_config


def deliver(config: FinetuneConfig, finetuned: Finetuned, run: TrackedRun) -> Delivered:
    """Write `OUTPUT/model`, log plots and model, register it, and note in `OUTPUT/result.json` that all is done."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / MODEL_FOLDER
        finetuned.copy_model(folder)
        (folder / CONFIG_FILE).write_text(dump_config(config))
        (folder / "README.md").write_text(task_card(config, finetuned))
        upload_folder(folder, join(config.output, MODEL_FOLDER))
        log_dev_plots(run)
        run.log_artifact(folder / "README.md")
        version = None
        if config.register:
            version = register_task_model(run, folder, task=config.task, step=finetuned.step, metrics=finetuned.metrics)
    delivered = Delivered(
        model=join(config.output, MODEL_FOLDER),
        registry_uri=version.uri if version else "",
        tracking_uri=run.tracking_uri,
        run_id=run.run_id,
        export=config.export,
        step=finetuned.step,
        samples=finetuned.examples,
        table=dev_table(finetuned.metrics),
        metrics=finetuned.metrics,
    )
    delivered.write(config.output)
    return delivered


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
