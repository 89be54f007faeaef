"""The one error that a user can cause, and how it is found again behind Ray's own."""


class InputError(ValueError):
    """A configuration or an input that cannot be used.

    The message says what is wrong, where, and what to do. Jobs print it after `error:` and exit with status 2.
    """


def input_error_within(error: BaseException) -> InputError | None:
    """Return the `InputError` that `error` is, or that a task or a worker has raised and Ray has wrapped; else None.

    Ray keeps what a task raised in `cause`, Ray Data chains it, and Ray Train keeps what its workers raised in
    `worker_failures` and what its controller raised in `controller_failure`.
    """
    if type(error) is InputError:  # and not Ray's RayTaskError(InputError), whose message is a traceback
        message, *_ = str(error).split("\nFailed to ", 1)  # Ray Data appends how often it has tried
        return InputError(message)
    wrapped = [
        getattr(error, "cause", None),
        error.__cause__,
        getattr(error, "controller_failure", None),
        *getattr(error, "worker_failures", {}).values(),
    ]
    found = (input_error_within(inner) for inner in wrapped if isinstance(inner, BaseException))
    return next((inner for inner in found if inner is not None), None)


def reason(error: BaseException) -> str:
    """Return in one line why a run has failed: what a user can mend, or the last line of a traceback."""
    found = input_error_within(error) or error
    lines = [line.strip() for line in str(found).splitlines() if line.strip()]
    if not lines:
        return type(found).__name__
    return " ".join(lines) if isinstance(found, InputError) else lines[-1]
