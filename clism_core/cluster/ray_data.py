"""Common settings of Ray Data: limited retries, no timeout, and the original exceptions of stages."""

import warnings
from collections.abc import Callable
from typing import Any

from ray.data import Dataset
from ray.util.annotations import RayDeprecationWarning

MAX_RETRIES = 5
"""Retries of a block whose process has died; a block that fails on every try ends the job."""
_NO_LIMIT = -1


def map_with_retries(rows: Dataset, stage: Callable[..., Any], **options: Any) -> Dataset:
    """Map a stage over batches of rows, given as Arrow tables.

    Args:
        rows: input rows.
        stage: a function or, for actors, a class.
        options: further options of `Dataset.map_batches`.
    """
    limit = "max_task_retries" if isinstance(stage, type) else "max_retries"
    with warnings.catch_warnings():
        # There is no other way to set the limit. By default there is none: a fatal block would be retried for ever.
        warnings.simplefilter("ignore", RayDeprecationWarning)
        mapped = rows.map_batches(
            stage, batch_format="pyarrow", ray_remote_args_fn=lambda: {limit: MAX_RETRIES}, **options
        )
    return configure_execution(mapped)


def configure_execution(rows: Dataset) -> Dataset:
    """Disable the timeout and the progress bar of `rows`, and make its stages' exceptions reach the caller.

    Without a timeout, it waits as long as needed, for nodes that have yet to join or for resources in use elsewhere.
    """
    context = rows.context
    context.execution_no_progress_timeout_s = _NO_LIMIT  # Ray's default is half an hour
    context.enable_progress_bars = False
    context.raise_original_map_exception = True  # Ray's own exception does not carry its cause
    return rows
