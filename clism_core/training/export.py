"""Export of a trained checkpoint: its model folder, its registration, and the record of the finished run."""

import dataclasses
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from clism_core.tracking.registry import RegisteredModel
from clism_core.tracking.run import TrackedRun
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.training.config import CONFIG_FILE, dump_config
from clism_core.training.driver import Trained
from clism_core.utils.storage import exists, join, read_json, upload_folder, write_json

logger = logging.getLogger(__name__)

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class ExportedModel:
    """Result of a finished training run."""

    model: str
    """Model folder."""
    registry_uri: str
    """Version in the registry, such as models:/clism-encoder/3; empty if it was not registered."""
    tracking_uri: str
    run_id: str
    export: str
    step: int
    """Step of the exported checkpoint, the last or the best one according to `export`."""
    samples: int
    """Number of training samples."""
    table: str
    """Evaluation of the checkpoint, as Markdown."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Evaluation of the checkpoint, by metric, such as `en-ar/span_exact_match` or `en/f1`."""

    def write(self, output: str) -> None:
        """Write the record of the finished run to the folder `output`."""
        write_json(join(output, RESULT_FILE), dataclasses.asdict(self))

    def if_complete(self, *, output: str, export: str, register: bool) -> Self | None:
        """Return the model; None if another checkpoint is to be exported, or this one is still to be registered."""
        if self.export != export or (register and not self.registry_uri):
            return None
        logger.info("the run in %s is already finished; give another --output to train again", output)
        return self


def read_exported(output: str) -> ExportedModel | None:
    """Return the record of the finished run in the folder `output`; None if there is none."""
    file = join(output, RESULT_FILE)
    return ExportedModel(**read_json(file)) if exists(file) else None


def export_model(
    config: Any,
    trained: Trained,
    run: TrackedRun,
    *,
    card: str,
    table: str,
    samples: int,
    log_plots: Callable[[TrackedRun], None],
    register: Callable[..., RegisteredModel],
) -> ExportedModel:
    """Write `OUTPUT/model`, log plots and the model card, register the model, and write `OUTPUT/result.json` last.

    Args:
        config: configuration of the training.
        trained: result of the training.
        run: MLflow run of the training.
        card: model card, as Markdown.
        table: evaluation of the model, as Markdown.
        samples: number of training samples.
        log_plots: logs the plots of the run.
        register: called with the configuration, the run, the local folder of the model, `step` and `metrics`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / MODEL_FOLDER
        trained.copy_model(folder)
        (folder / CONFIG_FILE).write_text(dump_config(config))
        (folder / "README.md").write_text(card)
        upload_folder(folder, join(config.output, MODEL_FOLDER))
        log_plots(run)
        run.log_artifact(folder / "README.md")
        version = register(config, run, folder, step=trained.step, metrics=trained.metrics) if config.register else None
    exported = ExportedModel(
        model=join(config.output, MODEL_FOLDER),
        registry_uri=version.uri if version else "",
        tracking_uri=run.tracking_uri,
        run_id=run.run_id,
        export=config.export,
        step=trained.step,
        samples=samples,
        table=table,
        metrics=trained.metrics,
    )
    exported.write(config.output)
    return exported
