"""Export of a trained checkpoint: its model folder, the record of the finished run, and its registration."""

import dataclasses
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from clism_core.model.notice import with_notice
from clism_core.tracking.registry import RegisteredModel
from clism_core.tracking.run import TrackedRun
from clism_core.tracking.server import TrackingUnavailableError, server_problem
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.training.config import CONFIG_FILE, dump_config
from clism_core.training.driver import Trained
from clism_core.utils.records import read_record
from clism_core.utils.storage import download_folder, exists, join, replace_folder, write_json

logger = logging.getLogger(__name__)

RESULT_FILE, CARD = "result.json", "README.md"
_EXPORT_AGAIN = "delete it, and the same command exports the model again from the last checkpoint"


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
    published: bool = True
    """Whether MLflow has the plots and the model card."""

    def write(self, output: str) -> None:
        """Write the record of the finished run to the folder `output`."""
        write_json(join(output, RESULT_FILE), dataclasses.asdict(self))


def read_exported(output: str) -> ExportedModel | None:
    """Return the record of the finished run in the folder `output`; None if there is none."""
    file = join(output, RESULT_FILE)
    return read_record(file, ExportedModel, advice=_EXPORT_AGAIN) if exists(file) else None


def export_model(
    config: Any, trained: Trained, run: TrackedRun, *, card: str, table: str, samples: int
) -> ExportedModel:
    """Write `OUTPUT/model`, with its card, and `OUTPUT/result.json` last.

    Args:
        config: configuration of the training.
        trained: result of the training.
        run: MLflow run of the training.
        card: model card, as Markdown, with `table`.
        table: evaluation of the model, as Markdown.
        samples: number of training samples.

    Returns:
        The model, not yet published or registered.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / MODEL_FOLDER
        trained.copy_model(folder)
        (folder / CONFIG_FILE).write_text(dump_config(config))
        noticed = with_notice(table, folder)
        (folder / CARD).write_text(card.replace(table, noticed))
        replace_folder(folder, join(config.output, MODEL_FOLDER))
    exported = ExportedModel(
        model=join(config.output, MODEL_FOLDER),
        registry_uri="",
        tracking_uri=run.tracking_uri,
        run_id=run.run_id,
        export=config.export,
        step=trained.step,
        samples=samples,
        table=noticed,
        metrics=trained.metrics,
        published=False,
    )
    exported.write(config.output)
    return exported


def publish_model(
    exported: ExportedModel,
    config: Any,
    run: TrackedRun,
    *,
    log_plots: Callable[[TrackedRun], None],
    register: Callable[..., RegisteredModel],
) -> ExportedModel:
    """Log the plots and the card of an exported model to MLflow, and register it if the configuration says so.

    Args:
        exported: the model.
        config: configuration of the training.
        run: MLflow run of the training.
        log_plots: logs the plots of the run.
        register: called with the configuration, the run, the local folder of the model, `step` and `metrics`.

    Returns:
        The published model, also noted in `OUTPUT/result.json`.

    Raises:
        TrackingUnavailableError: if the tracking server is unreachable and the model is to be registered. A model that
            is only logged causes a warning, because nothing depends on that.
    """
    try:
        run.flush()
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / MODEL_FOLDER
            download_folder(exported.model, folder)
            log_plots(run)
            run.log_artifact(folder / CARD)
            uri = ""
            if config.register:
                uri = register(config, run, folder, step=exported.step, metrics=exported.metrics).uri
    except (TrackingUnavailableError, MlflowException) as error:
        problem = str(error) if isinstance(error, TrackingUnavailableError) else server_problem(run.tracking_uri)
        if not problem:
            raise
        missing = "is not registered" if config.register else "has no plots in MLflow"
        message = (
            f"the model in {exported.model} is complete but {missing}: {problem}. The same command completes it later, "
            "without training"
        )
        if config.register:
            raise TrackingUnavailableError(message) from error
        logger.warning("%s", message)
        return exported
    published = dataclasses.replace(exported, registry_uri=uri, published=True)
    published.write(config.output)
    return published
