"""Console output of a job: its own messages, without the routine output of the libraries."""

import logging
import os
import sys

from ray.data import DataContext
from ray.util.debug import log_once

from clism_core.cluster.ray_internals import skip_log_lines
from clism_core.utils.quiet import quieten_transformers

# Uninformative lines of Ray's processes. They remain in its log files, and RAY_DEDUP_LOGS=0 shows them again.
_NOISE = (
    r"Starting execution of Dataset|Execution plan of Dataset|Dataset \S+ execution finished in|Progress bars disabled",
    # Every actor pool of Ray Data and every Ray Train run has such actors, and they do restart if they fail.
    r"core_worker\.cc:\d+: Actor with class name: .* has constructor arguments in the object store",
    # Ray Train queries the dashboard once a second, but a local cluster runs without it: it would double startup time.
    r"Failed to query Ray Train Controller actor state",
    # Stages and workers that reserve a fraction of a CPU run in many processes by design.
    r"PYTHON worker processes have been started on node",
)


def quieten_libraries() -> None:
    """Suppress progress bars, load reports and notes of transformers and MLflow.

    Warnings of MLflow and errors of both are still shown.
    """
    quieten_transformers()
    logging.getLogger("mlflow").setLevel(logging.WARNING)


def quieten_ray() -> None:
    """Show progress bars of Ray Data on a terminal only, and suppress log lines that match `_NOISE`."""
    context = DataContext.get_current()
    context.print_on_execution_start = False
    context.enable_progress_bars = sys.stdout.isatty() and sys.stderr.isatty()
    log_once("ray_data_progress_manager_disabled")  # marks Ray Data's message about it as already shown
    _limit_console("ray.data", logging.WARNING)
    skip_log_lines(filter(None, [os.environ.get("RAY_DEDUP_LOGS_SKIP_REGEX"), *_NOISE]))


def quieten_train_controller() -> None:
    """Write what Ray Train logs in the process of its controller from now on to its log files only."""
    _limit_console("ray.train", logging.CRITICAL)


def _limit_console(library: str, level: int) -> None:
    for handler in logging.getLogger(library).handlers:
        if handler.name == "console":
            handler.setLevel(level)


def quieten_run() -> None:
    """Suppress all output but warnings and errors of a run inside a sweep or study, which reports its own progress."""
    quieten_libraries()
    quieten_ray()
    DataContext.get_current().enable_progress_bars = False


def quieten_core_worker() -> None:
    """Make Ray's core log only fatal errors in this process, from its connection on: others are raised as exceptions.

    Ray's own processes must not inherit this: only the raylet's log reports that memory or disk is full.
    """
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
