"""From a trained checkpoint to a model that others find: the folder, the registry, and a note that all is done."""

import tempfile
from pathlib import Path

from clism_core.storage import join, upload_folder
from clism_core.tracking.plots import log_plots
from clism_core.tracking.registry import register_encoder
from clism_core.tracking.run import TrackedRun
from clism_core.training.card import metrics_table, model_card
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.training.config import PretrainConfig
from clism_core.training.delivered import Delivered, read_delivered
from clism_core.training.identity import check_same_run, config_identity
from clism_core.training.pretrain import Pretrained
from clism_core.training.settings import CONFIG_FILE, dump_config


def deliver(config: PretrainConfig, pretrained: Pretrained, run: TrackedRun) -> Delivered:
    """Write `OUTPUT/model`, log plots and model, register it, and note in `OUTPUT/result.json` that all is done."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / MODEL_FOLDER
        export_model(config, pretrained, folder)
        log_plots(run)
        run.log_artifact(folder / "README.md")
        version = None
        if config.register:
            version = register_encoder(run, folder, step=pretrained.step, metrics=pretrained.metrics)
    delivered = Delivered(
        model=join(config.output, MODEL_FOLDER),
        registry_uri=version.uri if version else "",
        tracking_uri=run.tracking_uri,
        run_id=run.run_id,
        export=config.export,
        step=pretrained.step,
        samples=pretrained.samples,
        table=metrics_table(pretrained.metrics),
        metrics=pretrained.metrics,
    )
    delivered.write(config.output)
    return delivered


def delivered_before(config: PretrainConfig) -> Delivered | None:
    """Return what a finished run has left in the output folder; None where there is no finished run.

    None, too, where the model is now to be another checkpoint or to be registered: it is delivered once more.

    Raises:
        InputError: if that run had another configuration.
    """
    delivered = read_delivered(config.output)
    if delivered is None:
        return None
    check_same_run(config.output, config_identity(config))
    return delivered.if_wanted(output=config.output, export=config.export, register=config.register)


def export_model(config: PretrainConfig, pretrained: Pretrained, folder: Path) -> None:
    """Write the final model into the local `folder` and copy it to `OUTPUT/model`.

    It holds the encoder and tokenizer as Hugging Face loads them, the two heads, the configuration and a model card.
    """
    pretrained.copy_model(folder)
    (folder / CONFIG_FILE).write_text(dump_config(config))
    card = model_card(
        config,
        step=pretrained.step,
        metrics=pretrained.metrics,
        samples=pretrained.samples,
        language_pairs=pretrained.language_pairs,
    )
    (folder / "README.md").write_text(card)
    upload_folder(folder, join(config.output, MODEL_FOLDER))
