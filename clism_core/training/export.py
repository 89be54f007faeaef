"""A training as an MLflow run, from a checkpoint to a model that others find: the folder, the registry, and a note that
all is done, by which it is found again."""

import dataclasses
import logging
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from clism_core.cluster.graceful_stop import NoWorkersError
from clism_core.model.resolve import pin_version
from clism_core.tracking.registry import RegisteredModel
from clism_core.tracking.run import TrackedRun, tracked_run
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.training.config import CONFIG_FILE, dump_config
from clism_core.training.driver import Trained
from clism_core.utils.storage import exists, join, read_json, upload_folder, write_json

logger = logging.getLogger(__name__)

TrainedT = TypeVar("TrainedT", bound=Trained)

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
    """What it was trained on."""
    table: str
    """The evaluation of that checkpoint, as Markdown."""
    metrics: dict[str, float] = field(default_factory=dict)
    """The evaluation of that checkpoint, by name, such as `en-ar/span_exact_match` or `en/f1`."""

    def write(self, output: str) -> None:
        """Note in the folder `output` that its run is finished, and what it has made."""
        write_json(join(output, RESULT_FILE), dataclasses.asdict(self))

    def if_wanted(self, *, output: str, export: str, register: bool) -> Self | None:
        """Return this, and say so, if nothing is left to do; None if the model is to be another checkpoint, or to be
        registered."""
        if self.export != export or (register and not self.registry_uri):
            return None
        logger.info("the run in %s was finished before, and is left as it is; another --output trains anew", output)
        return self


def read_delivered(output: str) -> Delivered | None:
    """Return what `Delivered.write` has noted in the folder `output`; None where no run is finished."""
    file = join(output, RESULT_FILE)
    return Delivered(**read_json(file)) if exists(file) else None


def train_and_deliver(
    job: str,
    config: Any,
    *,
    train: Callable[[Any, TrackedRun], TrainedT],
    deliver: Callable[[Any, TrainedT, TrackedRun], Delivered],
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Delivered | None:
    """Train as a job's MLflow run, and deliver what comes of it; None if it was asked to stop before its end.

    Args:
        job: such as pretrain.
        config: its configuration, with absolute paths; the version of its model is pinned here.
        train: such as `pretrain`.
        deliver: what makes a model of it that others find.
        name: of the MLflow run; without one, the name of the output folder.
        tags: more tags of it.
    """
    config = dataclasses.replace(config, model=pin_version(config.model))
    with tracked_run(job=job, output=config.output, config=dataclasses.asdict(config), name=name, tags=tags) as run:
        trained: TrainedT | None = None
        with suppress(NoWorkersError):
            trained = train(config, run)
        if trained is None or not trained.finished:
            run.finish("KILLED")
            return None
        return deliver(config, trained, run)


def deliver_model(
    config: Any,
    trained: Trained,
    run: TrackedRun,
    *,
    card: str,
    table: str,
    samples: int,
    log_plots: Callable[[TrackedRun], None],
    register: Callable[..., RegisteredModel],
) -> Delivered:
    """Write `OUTPUT/model`, log plots and model, register it, and note in `OUTPUT/result.json` that all is done.

    Args:
        config: of the job.
        trained: what it has come to.
        run: its MLflow run.
        card: the model's, as Markdown.
        table: the evaluation of the model, as Markdown.
        samples: what it was trained on.
        log_plots: draws the curves of the run.
        register: takes the run, the local folder of the model, `step` and `metrics`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / MODEL_FOLDER
        trained.copy_model(folder)
        (folder / CONFIG_FILE).write_text(dump_config(config))
        (folder / "README.md").write_text(card)
        upload_folder(folder, join(config.output, MODEL_FOLDER))
        log_plots(run)
        run.log_artifact(folder / "README.md")
        version = register(run, folder, step=trained.step, metrics=trained.metrics) if config.register else None
    delivered = Delivered(
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
    delivered.write(config.output)
    return delivered
