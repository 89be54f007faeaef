"""From a trained checkpoint to a model that others find: the folder, the registry, and a note that all is done."""

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clism_core.storage import exists, join, read_bytes, upload_folder, write_bytes
from clism_core.tracking.plots import log_plots
from clism_core.tracking.registry import register_encoder
from clism_core.tracking.run import TrackedRun
from clism_core.training.card import metrics_table, model_card
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.training.config import PretrainConfig
from clism_core.training.identity import check_same_run, config_identity
from clism_core.training.pretrain import Pretrained
from clism_core.training.settings import CONFIG_FILE, dump_config

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Delivered:
    """A finished run: what was made and where it is."""

    model: str
    """The model folder."""
    registry_uri: str
    """The version in the registry, such as models:/clism-encoder/3; empty if it was not registered."""
    tracking_uri: str
    run_id: str
    export: str
    step: int
    """Of the checkpoint that became the model, the last or the best as `export` says."""
    samples: int
    table: str
    """The evaluation of that checkpoint, as Markdown."""


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
    )
    write_result(config.output, dataclasses.asdict(delivered))
    return delivered


def write_result(output: str, result: Mapping[str, Any]) -> None:
    """Note in the output folder that a run is finished, and what it has made."""
    write_bytes(join(output, RESULT_FILE), json.dumps(result, indent=2).encode())


def read_result(output: str) -> dict[str, Any] | None:
    """Return what `write_result` has noted; None where no run is finished."""
    file = join(output, RESULT_FILE)
    if not exists(file):
        return None
    result: dict[str, Any] = json.loads(read_bytes(file))
    return result


def delivered_before(config: PretrainConfig) -> Delivered | None:
    """Return what a finished run has left in the output folder; None where there is no finished run.

    None, too, where the model is now to be another checkpoint or to be registered: it is delivered once more.

    Raises:
        InputError: if that run had another configuration.
    """
    result = read_result(config.output)
    if result is None:
        return None
    check_same_run(config.output, config_identity(config))
    delivered = Delivered(**result)
    if delivered.export != config.export or (config.register and not delivered.registry_uri):
        return None
    return delivered


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
