"""Progress reports of a sweep, and removal of the checkpoints of ended trials."""

import logging
import time
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from clism_core.experiments.tuning.trial import OBJECTIVE, PROGRESS, Sweep
from clism_core.tracking.lifecycle import end_lost_run
from clism_core.training.checkpoint_store import CHECKPOINTS
from clism_core.utils import storage
from clism_core.utils.progress import time_left
from clism_core.utils.text import describe

logger = logging.getLogger(__name__)


class SweepProgress(Callback):
    """Logs the result of each trial and the remaining time, and deletes the checkpoints of ended trials.

    Args:
        sweep: the sweep.
        trials: number of its trials.
    """

    def __init__(self, sweep: Sweep, trials: int):
        self._sweep = sweep
        self._trials = trials
        self._started = time.monotonic()
        self._ended: dict[str, bool] = {}
        """Whether each ended trial ended since `_started`."""
        self._untidy: list[str] = []
        """Ended trials whose checkpoints still exist."""

    def get_state(self) -> dict[str, Any]:
        """Return the state that Ray Tune saves with the sweep."""
        return {"ended": dict(self._ended), "untidy": list(self._untidy)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the saved state of a sweep that is resumed."""
        self._ended = dict.fromkeys(state["ended"], False)
        self._untidy = list(state["untidy"])

    def setup(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_trial_start(self, *_: Any, **info: Any) -> None:
        """Log the parameters of a trial."""
        trial: Trial = info["trial"]
        self._ended.pop(trial.trial_id, None)  # a retry
        logger.info("trial %s: %s", trial.trial_id, describe(trial.config))

    def on_trial_result(self, *_: Any, **info: Any) -> None:
        """Log an intermediate objective."""
        trial: Trial = info["trial"]
        result = info["result"]
        if not result.get("finished"):
            logger.info("trial %s: objective %.4f at %d %%", trial.trial_id, result[OBJECTIVE], result[PROGRESS])

    def on_trial_complete(self, *_: Any, **info: Any) -> None:
        """Log the result of a trial, and delete the checkpoints of those that ended before."""
        trial: Trial = info["trial"]
        result = trial.last_result
        if result.get("finished"):
            self._log_end(trial, f"finished, objective {result[OBJECTIVE]:.4f}")
        else:
            self._log_end(trial, f"stopped early, objective {result[OBJECTIVE]:.4f} at {result[PROGRESS]:.0f} %")
        self._delete_checkpoints()  # of earlier trials; this one may still be saving
        self._untidy.append(trial.trial_id)

    def on_experiment_end(self, *_: Any, **info: Any) -> None:
        """Delete the last checkpoints, and end the MLflow runs of processes that no longer exist."""
        self._delete_checkpoints()
        for trial in info["trials"]:
            self._end_runs(trial.trial_id, "KILLED")

    def on_trial_error(self, *_: Any, **info: Any) -> None:
        """Log that a trial failed; the others continue. The reason is reported at the end of the sweep."""
        trial: Trial = info["trial"]
        self._end_runs(trial.trial_id, "FAILED")
        self._log_end(trial, "FAILED")

    def _log_end(self, trial: Trial, ended: str) -> None:
        self._ended[trial.trial_id] = True
        done, now = len(self._ended), sum(self._ended.values())
        left = time_left(time.monotonic() - self._started, done=now, left=self._trials - done)
        rest = f"; about {left} left" if done < self._trials else ""
        logger.info("trial %s %s (%d of %d trials have ended%s)", trial.trial_id, ended, done, self._trials, rest)

    def _delete_checkpoints(self) -> None:
        remaining = []
        for trial_id in self._untidy:
            try:
                for folder in self._folders(trial_id):
                    storage.delete(storage.join(folder, CHECKPOINTS))
            except OSError as error:  # still being written, or no permission; nothing depends on it
                logger.info("the checkpoints of trial %s could not be deleted: %s", trial_id, error)
                remaining.append(trial_id)
        self._untidy = remaining

    def _end_runs(self, trial_id: str, status: str) -> None:
        """End the MLflow runs of a trial whose process may have died before it ended them."""
        for folder in self._folders(trial_id):
            end_lost_run(folder, status)

    def _folders(self, trial_id: str) -> set[str]:
        """Return the folders of a trial that identify its MLflow runs."""
        return {self._sweep.trial_folder(trial_id), *self._sweep.run_folders(trial_id).values()}
