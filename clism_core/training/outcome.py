"""Result of a worker, apart from the training: Ray Train's controller reads it, and would load all that it imports."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """Result of a worker; that of rank 0 is the result of the run.

    Errors that would recur, and that all workers have found, are returned in `error` instead of raised: the workers
    then end as usual, after their checkpoints have been uploaded.
    """

    finished: bool
    error: Exception | None = None
