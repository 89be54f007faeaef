"""What a person who follows a job sees: the job's own lines, and not how the libraries get along."""

import logging
import os
import re
import sys

from ray._private import ray_constants, ray_logging
from ray.data import DataContext
from ray.util.debug import log_once

from clism_core.utils.quiet import quieten_transformers

# Lines of Ray's processes that tell nobody anything. They stay in its log files, and RAY_DEDUP_LOGS=0 shows them again.
_NOISE = (
    r"Starting execution of Dataset|Execution plan of Dataset|Dataset \S+ execution finished in|Progress bars disabled",
    # Every actor pool of Ray Data and every Ray Train run has such actors, and they do restart.
    r"core_worker\.cc:\d+: Actor with class name: .* has constructor arguments in the object store",
    # Ray Train asks the dashboard once a second, and a local cluster has none: starting it would take twice as long.
    r"Failed to query Ray Train Controller actor state",
    # Checkpoints between evaluations have none, and count as last and not as best.
    r"Result dict has no key: score",
    # Stages and workers that take a part of a CPU are many processes, as they should be.
    r"PYTHON worker processes have been started on node",
)


def quieten_libraries() -> None:
    """Show no bars, load reports and notes of transformers and MLflow; warnings of MLflow and errors of both remain."""
    quieten_transformers()
    logging.getLogger("mlflow").setLevel(logging.WARNING)


def quieten_ray() -> None:
    """Show Ray Data's progress as bars on a terminal and not at all elsewhere, and none of what `_NOISE` matches."""
    context = DataContext.get_current()
    context.print_on_execution_start = False
    context.enable_progress_bars = sys.stdout.isatty() and sys.stderr.isatty()
    log_once("ray_data_progress_manager_disabled")  # so that Ray Data need not say it
    for handler in logging.getLogger("ray.data").handlers:
        if handler.name == "console":
            handler.setLevel(logging.WARNING)
    patterns = [ray_constants.RAY_DEDUP_LOGS_SKIP_REGEX, *_NOISE]  # the former is the user's
    for lines in (ray_logging.stdout_deduplicator, ray_logging.stderr_deduplicator):
        lines.skip_re = re.compile("|".join(pattern for pattern in patterns if pattern))


def quieten_run() -> None:
    """Show of a run that is a part of something larger only what goes wrong: the whole says how far it is."""
    quieten_libraries()
    quieten_ray()
    DataContext.get_current().enable_progress_bars = False


def quieten_core_worker() -> None:
    """Let Ray's core log fatal errors only, in this process, once it connects: all others reach us as exceptions.

    Its processes must not inherit this: the raylet says in its log that memory or disk is full, and nowhere else.
    """
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
