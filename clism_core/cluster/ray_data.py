"""How all jobs have Ray Data map: with a limit of retries, without a limit of time, with errors as they were raised."""

import warnings
from collections.abc import Callable
from typing import Any

from ray.data import Dataset
from ray.util.annotations import RayDeprecationWarning

MAX_RETRIES = 5
"""Of a block whose process has died; what kills it every time ends the job."""
_NO_LIMIT = -1


def map_with_retries(rows: Dataset, stage: Callable[..., Any], **options: Any) -> Dataset:
    """Pass rows through a stage, as Arrow tables.

    Args:
        rows: the input.
        stage: a function or, for actors, a class.
        options: of `Dataset.map_batches`.
    """
    limit = "max_task_retries" if isinstance(stage, type) else "max_retries"
    with warnings.catch_warnings():
        # There is no other way to set the limit, which is none: what kills its process would do so for ever.
        warnings.simplefilter("ignore", RayDeprecationWarning)
        mapped = rows.map_batches(
            stage, batch_format="pyarrow", ray_remote_args_fn=lambda: {limit: MAX_RETRIES}, **options
        )
    return settled(mapped)


def settled(rows: Dataset) -> Dataset:
    """Let a data set wait for as long as it takes, as for nodes that come late or resources that others have, without a
    bar of its own, and hand on what its stages raise."""
    context = rows.context
    context.execution_no_progress_timeout_s = _NO_LIMIT  # Ray ends it after half an hour
    context.enable_progress_bars = False
    context.raise_original_map_exception = True  # Ray's own does not hand on what it was caused by
    return rows
