"""A kind of training, such as pre-training, as jobs, sweeps and studies use it."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from clism_core.cluster.graceful_stop import NoWorkersError
from clism_core.model.resolve import pin_version
from clism_core.tracking.lifecycle import tracked_run
from clism_core.tracking.registry import RegisteredModel
from clism_core.tracking.run import TrackedRun
from clism_core.training.driver import Hooks, Trained
from clism_core.training.export import ExportedModel, publish_model, read_exported
from clism_core.training.resume import RUN_FILE
from clism_core.utils.output_lock import exclusive_folder
from clism_core.utils.storage import exists, join

logger = logging.getLogger(__name__)

ConfigT = TypeVar("ConfigT")
TrainedT = TypeVar("TrainedT", bound=Trained)


@dataclass(frozen=True)
class Training(Generic[ConfigT, TrainedT]):
    """A kind of training: its configuration, and the steps from it to a registered model."""

    name: str
    """Name of its job, such as pretrain."""
    config_class: type[ConfigT]
    """Dataclass of its configuration."""
    check: Callable[[ConfigT], None]
    """Checks a configuration before anything starts; raises `InputError` with all problems."""
    train: Callable[..., TrainedT]
    """Trains on the connected cluster, given the configuration, the MLflow run and `hooks`."""
    export: Callable[[ConfigT, TrainedT, TrackedRun], ExportedModel]
    """Exports the model of a finished training, and notes the result."""
    check_finished: Callable[[ConfigT], None]
    """Compares a configuration with the finished run in its output folder; raises `InputError` if they differ."""
    log_plots: Callable[[TrackedRun], None]
    """Logs the plots of a run."""
    register: Callable[..., RegisteredModel]
    """Registers a model, given the configuration, its MLflow run, its local folder, `step` and `metrics`."""

    def find_finished(self, config: ConfigT) -> ExportedModel | None:
        """Return the result of the finished run in the output folder, after publishing it if it is not yet.

        None if there is none, or if another checkpoint is to be exported.

        Raises:
            InputError: if that run had another configuration, or another process publishes its model.
            TrackingUnavailableError: as `publish_model` does.
        """
        given: Any = config
        exported = read_exported(given.output)
        if exported is None:
            return None
        self.check_finished(config)
        if exported.export != given.export:
            return None
        logger.info("the run in %s is already finished; give another --output to train again", given.output)
        if self._is_published(config, exported):
            return exported
        with exclusive_folder(given.output):
            return self.publish(config, read_exported(given.output) or exported)

    def publish(self, config: ConfigT, exported: ExportedModel) -> ExportedModel:
        """Log and register the model of a finished run, as far as it is not yet, and end its MLflow run.

        Raises:
            TrackingUnavailableError: as `publish_model` does.
        """
        given: Any = config
        run = TrackedRun(exported.tracking_uri, exported.run_id, given.output)
        published = self._published(config, exported, run)
        if published is not exported and run.status() != "FINISHED":  # its job ended without the tracking server
            run.reopen()
            run.finish()
        return published

    def _published(self, config: ConfigT, exported: ExportedModel, run: TrackedRun) -> ExportedModel:
        if self._is_published(config, exported):
            return exported
        return publish_model(exported, config, run, log_plots=self.log_plots, register=self.register)

    def _is_published(self, config: ConfigT, exported: ExportedModel) -> bool:
        given: Any = config
        return exported.published and bool(exported.registry_uri or not given.register)

    def run(
        self,
        config: ConfigT,
        *,
        hooks: Hooks | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> ExportedModel | None:
        """Train as an MLflow run, and export the model; None if a stop request came before the end.

        Args:
            config: the configuration, with absolute paths; the version of its model is pinned here.
            hooks: hooks supplied by the enclosing sweep or study.
            name: name of the MLflow run; None for the name of the output folder.
            tags: more tags of the MLflow run.
        """
        given: Any = config
        given = dataclasses.replace(given, model=pin_version(given.model))
        fields = dataclasses.asdict(given)
        resumes = exists(join(given.output, RUN_FILE))
        with tracked_run(
            job=self.name, output=given.output, config=fields, name=name, tags=tags, resumes=resumes
        ) as run:
            trained: TrainedT | None = None
            with suppress(NoWorkersError):
                trained = self.train(given, run, hooks=hooks)
            if trained is None or not trained.finished:
                run.finish("KILLED")
                return None
            return self._published(given, self.export(given, trained, run), run)
