"""One trial of a sweep: runs of the jobs, in a process of Ray Tune's that takes no CPU; their workers do."""

import dataclasses
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from queue import Empty
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from ray import tune
from ray.train import Checkpoint, UserCallback
from ray.util.queue import Queue

from clism_core.cluster.console import quieten_run
from clism_core.cluster.graceful_stop import start_stop_request
from clism_core.cluster.nodes import on_this_node
from clism_core.experiments.trainings import child_run
from clism_core.experiments.tuning.config import trial_configs
from clism_core.experiments.tuning.space import Space, objective
from clism_core.tracking.run import TrackedRun, tracked_run
from clism_core.training.driver import Hooks
from clism_core.training.export import ExportedModel
from clism_core.utils.storage import join

TRIALS = "trials"
OBJECTIVE = "objective"
PROGRESS = "progress"
"""Percent of its steps that a trial has done: what schedulers count time in, for trials may differ in steps."""
POLL = 1.0
"""Seconds between looks at whether the runs of a trial have ended."""
STOP_TIMEOUT = 300.0
"""Seconds that a trial which is stopped has for its step, a checkpoint and giving back what Ray has reserved for it."""


@dataclass(frozen=True)
class Sweep:
    """What all trials of a sweep have in common."""

    space: Space
    bases: Mapping[str, Any]
    """The configurations that trials start from, by the names of their jobs."""
    output: str
    parent: TrackedRun
    """The MLflow run of the sweep."""

    def trial_folder(self, trial_id: str) -> str:
        """Return the folder of a trial."""
        return join(self.output, TRIALS, trial_id)

    def run_folders(self, trial_id: str) -> dict[str, str]:
        """Return the output folders of a trial's runs, by their jobs."""
        folder = self.trial_folder(trial_id)
        return {job: join(folder, job) if self.space.job == "joint" else folder for job in self.bases}


class ReportEvaluations(UserCallback):
    """Hands the objective of each evaluation on to the trial, from where Ray Train's controller is."""

    def __init__(self, metrics: tuple[str, ...], queue: Queue):
        self._metrics = metrics
        self._queue = queue

    def after_report(
        self,
        run_context: object,  # noqa: ARG002
        metrics: list[dict[str, Any]],
        checkpoint: Checkpoint | None,  # noqa: ARG002
    ) -> None:
        """Report what rank 0 has evaluated; a checkpoint without an evaluation, as after a stop, says nothing."""
        reported = metrics[0]
        if "score" in reported and reported[PROGRESS] < 100:  # what it has come to at last, the trial says itself
            found = {OBJECTIVE: objective(reported, self._metrics), PROGRESS: reported[PROGRESS]}
            self._queue.put(found | {"step": reported["step"]})


class Trial(tune.Trainable):
    """Runs the jobs of one trial in a thread, and reports what they evaluate.

    Ray Tune ends the process of a trial that is stopped early, which leaves to Ray Train's own watch what its workers
    have reserved, and that wants a dashboard. So the run is first asked to stop, as by a signal, and cleans up itself.
    """

    def setup(self, config: dict[str, Any], sweep: Sweep) -> None:  # type: ignore[override]
        """Start the runs; those that the trial's folder holds go on from their last checkpoints."""
        quieten_run()
        self._queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": on_this_node()})
        self._stop_request: Any = start_stop_request()
        self._exported: ExportedModel | None = None
        self._error: BaseException | None = None
        self._sweep = sweep
        runs = TrialRuns(sweep, self.trial_id, self._queue, self._stop_request)
        self._thread = threading.Thread(target=self._run, args=(partial(runs, config),), name="trial", daemon=True)
        self._thread.start()

    def step(self) -> dict[str, Any]:
        """Return the next evaluation, or what the trial has come to."""
        while self._thread.is_alive():
            try:
                found: dict[str, Any] = self._queue.get(timeout=POLL)
            except Empty:
                continue
            return found
        if self._error is not None:
            raise self._error
        assert self._exported is not None
        return {
            OBJECTIVE: objective(self._exported.metrics, self._sweep.space.metrics),
            PROGRESS: 100.0,
            "step": self._exported.step,
            "run_id": self._exported.run_id,
            "finished": True,
            "done": True,
        }

    def cleanup(self) -> None:
        """Ask runs that have not ended to stop at their next step, and wait for it."""
        self._stop_request.request.remote()
        self._thread.join(STOP_TIMEOUT)
        self._queue.shutdown(force=True)

    def _run(self, runs: Callable[[], ExportedModel | None]) -> None:
        try:
            self._exported = runs()
        except BaseException as error:  # raised again where Ray Tune sees it
            self._error = error


class TrialRuns:
    """The runs of one trial, each an MLflow run below the sweep's.

    Args:
        sweep: what is the same for all trials.
        trial_id: of Ray Tune.
        queue: takes what is evaluated on the way.
        stop_request: stops them at a step.
    """

    def __init__(self, sweep: Sweep, trial_id: str, queue: Queue, stop_request: Any):
        self._sweep = sweep
        self._trial_id = trial_id
        self._stop_request = stop_request
        self._report = ReportEvaluations(sweep.space.metrics, queue)

    def __call__(self, parameters: dict[str, Any]) -> ExportedModel | None:
        """Run them with what Ray Tune has drawn; return the last one's model, or None if they were stopped."""
        sweep = self._sweep
        configs = trial_configs(sweep.bases, sweep.space, parameters)
        if sweep.space.job != "joint":
            (config,) = configs.values()
            hooks = Hooks([self._report], self._stop_request)
            return self._run(sweep.space.job, config, sweep.parent, self._trial_id, hooks)
        folder = sweep.trial_folder(self._trial_id)
        tags = {MLFLOW_PARENT_RUN_ID: sweep.parent.run_id}
        with tracked_run(job="trial", output=folder, config=parameters, name=self._trial_id, tags=tags) as parent:
            exported = self._run_both(configs, parent)
            if exported is None:
                parent.finish("KILLED")
            else:
                parent.log_metrics({OBJECTIVE: objective(exported.metrics, sweep.space.metrics)}, step=exported.step)
            return exported

    def _run_both(self, configs: Mapping[str, Any], parent: TrackedRun) -> ExportedModel | None:
        hooks = Hooks(stop_request=self._stop_request)  # its evaluations cannot be compared with those that follow
        encoder = self._run("pretrain", configs["pretrain"], parent, f"{self._trial_id}-pretrain", hooks)
        if encoder is None:
            return None
        config = dataclasses.replace(configs["finetune"], model=encoder.model)
        hooks = Hooks([self._report], self._stop_request)
        return self._run("finetune", config, parent, f"{self._trial_id}-finetune", hooks)

    def _run(self, job: Any, config: Any, parent: TrackedRun, name: str, hooks: Hooks) -> ExportedModel | None:
        output = self._sweep.run_folders(self._trial_id)[job]
        config = dataclasses.replace(with_reported_evaluations(config), output=output, register=False)
        return child_run(job, config, parent=parent, name=name, hooks=hooks)


def with_reported_evaluations(config: Any) -> Any:
    """Return a job's configuration as trials have it: evaluations are checkpoints, for only these are reported."""
    loop = dataclasses.replace(config.loop, checkpoint_every=config.loop.evaluate_every, evaluate_at=[])
    return dataclasses.replace(config, loop=loop)
