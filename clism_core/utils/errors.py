"""`InputError`, the one error that stands for a user's mistake, and how to unwrap it from Ray's errors."""

from collections.abc import Iterator


class InputError(ValueError):
    """A configuration or an input that cannot be used.

    The message says what is wrong, where, and what to do. Jobs print it after `error:` and exit with status 2.
    """


class UnavailableError(InputError):
    """An input in a store that does not answer.

    At the start of a job it is a mistake, such as a wrong address; later, a failure that may pass.
    """


class FailureError(RuntimeError):
    """A failure that its message explains in full, such as a server that does not answer or a training that diverges.

    The message says what is unfinished and what to do. Jobs print it after `error:` and exit with status 1.
    """


class OnlyCheckedError(Exception):
    """Not a failure: a job has passed the checks to which it was limited; the message says so. Jobs print it and exit
    with status 0."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and those of tasks and workers that Ray has wrapped in it, the outer ones first.

    Ray keeps the error of a task in `cause`, Ray Data chains it, and Ray Train keeps the errors of its workers in
    `worker_failures` and that of its controller in `controller_failure`.
    """
    yield error
    wrapped = [
        getattr(error, "cause", None),
        error.__cause__,
        getattr(error, "controller_failure", None),
        *getattr(error, "worker_failures", {}).values(),
    ]
    for inner in wrapped:
        if isinstance(inner, BaseException):
            yield from causes(inner)


def input_error_within(error: BaseException) -> InputError | None:
    """Return the `InputError` in `error`: itself, or one from a task or worker that Ray has wrapped; None if none."""
    for found in causes(error):
        kind = type(found)
        if kind in (InputError, UnavailableError):  # and not RayTaskError(InputError), whose message is a traceback
            message, *_ = str(found).split("\nFailed to ", 1)  # Ray Data appends the number of attempts
            return UnavailableError(message) if kind is UnavailableError else InputError(message)
    return None


def failure_message(error: BaseException) -> str:
    """Return the cause of a failed run in one line: the message if it explains itself, or a traceback's last line."""
    found = input_error_within(error) or error
    lines = [line.strip() for line in str(found).splitlines() if line.strip()]
    if not lines:
        return type(found).__name__
    return " ".join(lines) if isinstance(found, InputError | FailureError) else lines[-1]
