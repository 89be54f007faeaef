"""A kind of training, such as pre-training, as jobs, sweeps and studies use it."""

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from clism_core.cluster.graceful_stop import NoWorkersError
from clism_core.model.resolve import pin_version
from clism_core.tracking.registry import RegisteredModel
from clism_core.tracking.run import TrackedRun, tracked_run
from clism_core.training.driver import Hooks, Trained
from clism_core.training.export import ExportedModel, read_exported

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
    """Exports the model of a finished training, registers it if the configuration says so, and notes the result."""
    check_finished: Callable[[ConfigT], None]
    """Compares a configuration with the finished run in its output folder; raises `InputError` if they differ."""
    register: Callable[..., RegisteredModel]
    """Registers a model, given the configuration, its MLflow run, its local folder, `step` and `metrics`."""

    def find_finished(self, config: ConfigT) -> ExportedModel | None:
        """Return the result of the finished run in the output folder.

        None if there is none, or if it must be exported again because another checkpoint or its registration is
        requested.

        Raises:
            InputError: if that run had another configuration.
        """
        given: Any = config
        exported = read_exported(given.output)
        if exported is None:
            return None
        self.check_finished(config)
        return exported.if_complete(output=given.output, export=given.export, register=given.register)

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
        with tracked_run(job=self.name, output=given.output, config=fields, name=name, tags=tags) as run:
            trained: TrainedT | None = None
            with suppress(NoWorkersError):
                trained = self.train(given, run, hooks=hooks)
            if trained is None or not trained.finished:
                run.finish("KILLED")
                return None
            return self.export(given, trained, run)
