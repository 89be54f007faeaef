"""What a sweep says on its way, and what it tidies up behind its trials."""

import logging
import time
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from clism_core.experiments.tuning.trial import OBJECTIVE, PROGRESS, Sweep
from clism_core.tracking.run import end_lost_run
from clism_core.training.driver import CHECKPOINTS
from clism_core.utils import storage
from clism_core.utils.progress import time_left
from clism_core.utils.text import describe

logger = logging.getLogger(__name__)


class SweepProgress(Callback):
    """Says what each trial comes to and how long the rest will take, and drops what a trial leaves behind.

    Args:
        sweep: the sweep.
        trials: how many trials it has.
    """

    def __init__(self, sweep: Sweep, trials: int):
        self._sweep = sweep
        self._trials = trials
        self._started = time.monotonic()
        self._ended: dict[str, bool] = {}
        """By trial: whether it has ended since `_started`."""
        self._untidy: list[str] = []
        """Trials that have ended and whose checkpoints are there."""

    def get_state(self) -> dict[str, Any]:
        """Return what Ray Tune keeps of it with the state of the sweep."""
        return {"ended": dict(self._ended), "untidy": list(self._untidy)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take what was kept, where a sweep goes on."""
        self._ended = dict.fromkeys(state["ended"], False)
        self._untidy = list(state["untidy"])

    def setup(self, *_: Any, **__: Any) -> None:
        """Begin to count the time."""
        self._started = time.monotonic()

    def on_trial_start(self, *_: Any, **info: Any) -> None:
        """Say what is tried."""
        trial: Trial = info["trial"]
        self._ended.pop(trial.trial_id, None)  # it is tried again
        logger.info("trial %s: %s", trial.trial_id, describe(trial.config))

    def on_trial_result(self, *_: Any, **info: Any) -> None:
        """Say how far a trial is."""
        trial: Trial = info["trial"]
        result = info["result"]
        if not result.get("finished"):
            logger.info("trial %s: objective %.4f at %d %%", trial.trial_id, result[OBJECTIVE], result[PROGRESS])

    def on_trial_complete(self, *_: Any, **info: Any) -> None:
        """Say what a trial has come to; the checkpoints of those that will not go on are dropped."""
        trial: Trial = info["trial"]
        result = trial.last_result
        if result.get("finished"):
            self._say(trial, f"finished, objective {result[OBJECTIVE]:.4f}")
        else:
            self._say(trial, f"stopped early, objective {result[OBJECTIVE]:.4f} at {result[PROGRESS]:.0f} %")
        self._tidy_up()  # those before; this one may be saving still
        self._untidy.append(trial.trial_id)

    def on_experiment_end(self, *_: Any, **info: Any) -> None:
        """Drop the last checkpoints, and end what MLflow takes to be running of processes that are ended by now."""
        self._tidy_up()
        for trial in info["trials"]:
            self._end_runs(trial.trial_id, "KILLED")

    def on_trial_error(self, *_: Any, **info: Any) -> None:
        """Say that a trial has failed; the others go on. Why is known when the sweep ends."""
        trial: Trial = info["trial"]
        self._end_runs(trial.trial_id, "FAILED")
        self._say(trial, "FAILED")

    def _say(self, trial: Trial, ended: str) -> None:
        self._ended[trial.trial_id] = True
        done, now = len(self._ended), sum(self._ended.values())
        left = time_left(time.monotonic() - self._started, done=now, left=self._trials - done)
        rest = f"; about {left} left" if done < self._trials else ""
        logger.info("trial %s %s (%d of %d trials have ended%s)", trial.trial_id, ended, done, self._trials, rest)

    def _tidy_up(self) -> None:
        kept = []
        for trial_id in self._untidy:
            try:
                for folder in self._folders(trial_id):
                    storage.delete(storage.join(folder, CHECKPOINTS))
            except OSError as error:  # still being written, or not ours to delete; nothing depends on it
                logger.info("the checkpoints of trial %s are still there: %s", trial_id, error)
                kept.append(trial_id)
        self._untidy = kept

    def _end_runs(self, trial_id: str, status: str) -> None:
        """End the MLflow runs of a trial whose process may have been lost before it could."""
        for folder in self._folders(trial_id):
            end_lost_run(folder, status)

    def _folders(self, trial_id: str) -> set[str]:
        """Return the folders of a trial that MLflow runs are known by."""
        return {self._sweep.trial_folder(trial_id), *self._sweep.run_folders(trial_id).values()}
