"""Failures of a run: which ones end it at once, how many of the others it survives, and what is said about them."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.train import Checkpoint, UserCallback

from clism_core.cluster.collectives import is_communication_error
from clism_core.cluster.console import quieten_train_controller
from clism_core.cluster.ray_internals import is_hang, worker_loss
from clism_core.utils.errors import FailureError, InputError, UnavailableError, failure_message, input_error_within

logger = logging.getLogger(__name__)

MEMORY_ADVICE = (
    "lower --micro_batch_size, which does not change the result, the max_length of inputs, or --workers.number if "
    "workers share a node"
)
_RESUME = "The same command resumes from the last checkpoint, if there is one"
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")


class DivergedError(FailureError):
    """Gradients or weights that are not finite, for reasons other than single samples.

    Args:
        problem: what is not finite.
        step: number of steps that led to the weights in question.
        sample_ids: samples of the first step with these weights.
    """

    def __init__(self, problem: str, *, step: int, sample_ids: Sequence[str]):
        super().__init__(
            f"{problem}: training has diverged; earlier checkpoints are kept. Start again in another --output with a "
            f"lower --optimizer.learning_rate. Samples of the first of these steps: {', '.join(sample_ids)}"
        )
        self.problem, self.step, self.sample_ids = problem, step, tuple(sample_ids)

    def __reduce__(self) -> tuple[Any, ...]:
        return _diverged, (self.problem, self.step, self.sample_ids)


def _diverged(problem: str, step: int, sample_ids: Sequence[str]) -> DivergedError:
    return DivergedError(problem, step=step, sample_ids=sample_ids)


@dataclass(frozen=True)
class Place:
    """Place in a training run."""

    name: str
    """Such as `step 7`."""
    steps: int
    """Number of steps taken before."""
    sample_ids: tuple[str, ...] = ()
    """Samples of the failing worker in this step."""


class TrainingError(Exception):
    """Error that a worker's own code has raised, with the place where it did.

    Args:
        place: place in the run.
        kind: type of the original error.
        message: its message in one line.
    """

    def __init__(self, place: Place, kind: str, message: str):
        super().__init__(place, kind, message)
        self.place, self.kind, self.message = place, kind, message

    def __str__(self) -> str:
        samples = f"; its samples on this worker: {', '.join(self.place.sample_ids)}" if self.place.sample_ids else ""
        advice = f"; {MEMORY_ADVICE}" if any(text in self.message.lower() for text in _OUT_OF_MEMORY) else ""
        return f"{self.place.name}: {self.kind}: {self.message}{advice}{samples}"

    def same_as(self, other: "TrainingError | None") -> bool:
        """Return whether `other` is an error of the same type at the same place."""
        return other is not None and (self.place.name, self.kind) == (other.place.name, other.kind)


@contextmanager
def located(place: Callable[[], Place]) -> Iterator[None]:
    """Raise errors of the block as `TrainingError`s, except `FailureError`s and errors from input or elsewhere.

    Args:
        place: called after an error, returns where it occurred.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, FailureError) or _is_from_elsewhere(error) or input_error_within(error):
            raise
        raise TrainingError(place(), type(error).__name__, failure_message(error)) from error


def _is_from_elsewhere(error: Exception) -> bool:
    """Return whether an error is due to another process or to the network, so that it may not recur."""
    if isinstance(error, ConnectionError | TimeoutError) or is_communication_error(error):
        return True
    if isinstance(error, OSError):
        return error.errno is None  # not from this machine's operating system, but from an object store
    return isinstance(error, RayError) and not isinstance(error, RayTaskError)


class FailureLimit(UserCallback):
    """Callback in Ray Train's controller that ends a run by raising an error; otherwise its workers are restarted.

    A run ends by an `InputError`, by an error that occurs a second time at the same place, and by more than
    `max_failures` failures between two checkpoints. Announced preemptions are not counted here, but by Ray Train.

    Args:
        max_failures: number of failures that are survived; -1 for any number.
    """

    def __init__(self, max_failures: int):
        self._max_failures = max_failures
        self._failures = 0
        self._is_counted = False
        self._previous: TrainingError | None = None

    def start_workers(self) -> None:
        """Expect a failure of new workers.

        Ray Train reports a failure again and again while it waits for a node to be preempted.
        """
        self._is_counted = False

    def after_report(
        self,
        run_context: object,  # noqa: ARG002
        metrics: list[dict[str, Any]],
        checkpoint: Checkpoint | None,
    ) -> None:
        """Count anew from each checkpoint on."""
        if checkpoint is None:
            return
        self._failures = 0
        if self._previous is not None and metrics[0]["step"] > self._previous.place.steps:
            self._previous = None

    def after_exception(self, run_context: object, worker_exceptions: Mapping[int, Exception]) -> None:  # noqa: ARG002
        """Raise the error that ends the run, if the failure of these workers, by rank, does.

        Raises:
            InputError: if a worker found an unusable input.
            FailureError: if the failure is not to be survived.
        """
        try:
            self._check(dict(sorted(worker_exceptions.items())))
        except (InputError, FailureError):
            quieten_train_controller()  # the error explains itself, but would be logged three times with tracebacks
            raise

    def _check(self, errors_by_rank: Mapping[int, Exception]) -> None:
        errors = list(errors_by_rank.values())
        for error in errors:
            final = error if isinstance(error, FailureError) else input_error_within(error)
            if final is not None and not isinstance(final, UnavailableError):
                raise final
        losses = {rank: loss for rank, error in errors_by_rank.items() if (loss := worker_loss(error)) is not None}
        if any(isinstance(loss, RayActorError) and loss.preempted for loss in losses.values()):
            return
        if self._is_counted:
            return
        self._is_counted = True
        own = {rank: error for rank, error in errors_by_rank.items() if isinstance(error, TrainingError)}
        if own and not losses:  # otherwise it may be a consequence of the loss of another worker
            first = next(iter(own.values()))
            if first.same_as(self._previous):
                raise FailureError(f"the same error occurred twice, at {first}. {_RESUME}")
            self._previous = first
        self._failures += 1
        rank, cause = next(iter((losses or own or errors_by_rank).items()))
        problem = f"worker {rank}: {describe_failure(cause)}"
        if 0 <= self._max_failures < self._failures:
            raise FailureError(
                f"{self._failures} failures since the last checkpoint, more than --workers.max_failures "
                f"({self._max_failures}). The last one: {problem}. {_RESUME}"
            )
        logger.warning("failure %d since the last checkpoint, from which the run resumes: %s", self._failures, problem)


def describe_failure(error: Exception) -> str:
    """Return why a process failed, in one line, and what to do if it may have been for lack of memory."""
    if isinstance(error, TrainingError):
        return str(error)
    if isinstance(error, OutOfMemoryError):
        return f"a process was killed because the memory of its node was full: {MEMORY_ADVICE}"
    if is_hang(error):
        return "its process has not answered for --workers.hang_timeout"
    message = failure_message(error)
    if isinstance(error, RayActorError):
        return f"a process or its node was lost ({message}); if its memory was full: {MEMORY_ADVICE}"
    return f"{type(error).__name__}: {message}"
