"""A training as an MLflow run; what it notes in its output folder once it is finished, and how that is found again."""

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from clism_core.model.names import pin_version
from clism_core.storage import exists, join, read_bytes, write_bytes
from clism_core.tracking.run import TrackedRun, tracked_run
from clism_core.training.run import Trained

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
        write_bytes(join(output, RESULT_FILE), json.dumps(dataclasses.asdict(self), indent=2).encode())

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
    return Delivered(**json.loads(read_bytes(file))) if exists(file) else None


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
        trained = train(config, run)
        if not trained.finished:
            run.finish("KILLED")
            return None
        return deliver(config, trained, run)
