"""Trial of a sweep: runs of the jobs, in a Ray Tune process that reserves no CPU; their workers do."""

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
from clism_core.tracking.lifecycle import tracked_run
from clism_core.tracking.run import TrackedRun
from clism_core.training.driver import Hooks
from clism_core.training.export import ExportedModel
from clism_core.utils.storage import join

TRIALS = "trials"
OBJECTIVE = "objective"
PROGRESS = "progress"
"""Percent of a trial's steps: the unit of time of schedulers, because trials may differ in steps."""
POLL = 1.0
"""Seconds between checks whether the runs of a trial have ended."""
STOP_TIMEOUT = 300.0
"""Seconds for a stopped trial to finish its step, save a checkpoint and release its resources."""


@dataclass(frozen=True)
class Sweep:
    """Settings shared by all trials of a sweep."""

    space: Space
    bases: Mapping[str, Any]
    """Base configurations of the trials, by job name."""
    output: str
    parent: TrackedRun
    """MLflow run of the sweep."""

    def trial_folder(self, trial_id: str) -> str:
        """Return the folder of a trial."""
        return join(self.output, TRIALS, trial_id)

    def run_folders(self, trial_id: str) -> dict[str, str]:
        """Return the output folders of a trial's runs, by job name."""
        folder = self.trial_folder(trial_id)
        return {job: join(folder, job) if self.space.job == "joint" else folder for job in self.bases}


class ReportEvaluations(UserCallback):
    """Sends the objective of each evaluation from Ray Train's controller to the trial."""

    def __init__(self, metrics: tuple[str, ...], queue: Queue):
        self._metrics = metrics
        self._queue = queue

    def after_report(
        self,
        run_context: object,  # noqa: ARG002
        metrics: list[dict[str, Any]],
        checkpoint: Checkpoint | None,  # noqa: ARG002
    ) -> None:
        """Send the evaluation of rank 0; a checkpoint without one, as after a stop, is ignored."""
        reported = metrics[0]
        if "score" in reported and reported[PROGRESS] < 100:  # the trial itself reports the final result
            result = {OBJECTIVE: objective(reported, self._metrics), PROGRESS: reported[PROGRESS]}
            self._queue.put(result | {"step": reported["step"]})


class Trial(tune.Trainable):
    """Runs the jobs of one trial in a thread, and reports their evaluations.

    When Ray Tune stops a trial early, it ends the process. The resources of the workers would then be released only by
    Ray Train's own monitor, which needs a dashboard. So the run is first asked to stop, as by a signal, and cleans up.
    """

    def setup(self, config: dict[str, Any], sweep: Sweep) -> None:  # type: ignore[override]
        """Start the runs; unfinished ones in the trial's folder resume from their last checkpoints."""
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
        """Return the next evaluation, or the final result."""
        while self._thread.is_alive():
            try:
                evaluation: dict[str, Any] = self._queue.get(timeout=POLL)
            except Empty:
                continue
            return evaluation
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
        """Ask unfinished runs to stop at their next step, and wait for them."""
        self._stop_request.request.remote()
        self._thread.join(STOP_TIMEOUT)
        self._queue.shutdown(force=True)

    def _run(self, runs: Callable[[], ExportedModel | None]) -> None:
        try:
            self._exported = runs()
        except BaseException as error:  # raised again in `step`, where Ray Tune sees it
            self._error = error


class TrialRuns:
    """Runs of one trial, as child runs of the sweep in MLflow.

    Args:
        sweep: settings shared by all trials.
        trial_id: Ray Tune's id of the trial.
        queue: queue for evaluations.
        stop_request: actor that asks the runs to stop at their next step.
    """

    def __init__(self, sweep: Sweep, trial_id: str, queue: Queue, stop_request: Any):
        self._sweep = sweep
        self._trial_id = trial_id
        self._stop_request = stop_request
        self._report = ReportEvaluations(sweep.space.metrics, queue)

    def __call__(self, parameters: dict[str, Any]) -> ExportedModel | None:
        """Run the jobs with sampled parameters; return the model of the last one, or None if they were stopped."""
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
        # Evaluations of the pre-training are not reported: they are not comparable with those of the fine-tuning.
        hooks = Hooks(stop_request=self._stop_request)
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
    """Return a job's configuration with a checkpoint at each evaluation, because only checkpoints are reported."""
    loop = dataclasses.replace(config.loop, checkpoint_every=config.loop.evaluate_every, evaluate_at=[])
    return dataclasses.replace(config, loop=loop)
