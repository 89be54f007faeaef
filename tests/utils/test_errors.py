import pytest
from ray.exceptions import RayTaskError, UserCodeException
from ray.train import ControllerError, WorkerGroupError

from clism_core.utils.errors import InputError, failure_message, input_error_within


def task_error(cause: Exception) -> RayTaskError:
    """Return the error that `ray.get` raises after a task has raised `cause`."""
    error = RayTaskError("read", "a traceback", cause, proctitle="ray::read", pid=1, ip="127.0.0.1")
    instance: RayTaskError = error.as_instanceof_cause()
    return instance


def chained(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


THE_ERROR = InputError("corpora: x.tsv: no such file")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(THE_ERROR, id="itself"),
        pytest.param(task_error(THE_ERROR), id="task"),
        pytest.param(chained(RuntimeError(), THE_ERROR), id="chained"),
        pytest.param(task_error(chained(UserCodeException(), THE_ERROR)), id="data-task"),
        pytest.param(InputError(f"{THE_ERROR}\nFailed to run 'read' after 1/1 attempts."), id="data-task-tried-again"),
        pytest.param(WorkerGroupError("2 failed", {0: OSError("connection lost"), 1: THE_ERROR}), id="train-worker"),
        pytest.param(WorkerGroupError("1 failed", {1: task_error(THE_ERROR)}), id="task-of-a-train-worker"),
        pytest.param(ControllerError(THE_ERROR), id="train-controller"),
    ],
)
def test_input_error_is_unwrapped(error: Exception) -> None:
    found = input_error_within(error)
    assert type(found) is InputError
    assert str(found) == "corpora: x.tsv: no such file"


def test_all_lines_of_a_message_are_kept() -> None:
    assert str(input_error_within(task_error(InputError("--seed: negative\n--loop.steps: 0")))) == (
        "--seed: negative\n--loop.steps: 0"
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("x"), id="other-value-error"),
        pytest.param(task_error(ValueError("x")), id="task"),
        pytest.param(WorkerGroupError("1 failed", {0: ValueError("x")}), id="train-worker"),
        pytest.param(ControllerError(ValueError("x")), id="train-controller"),
    ],
)
def test_other_errors_are_not_input_errors(error: Exception) -> None:
    assert input_error_within(error) is None


def test_failure_message_is_one_line() -> None:
    assert failure_message(task_error(InputError("--train: x\n--dev: y"))) == "--train: x --dev: y"
    assert failure_message(RuntimeError("Traceback\n  File x\nKeyError: 3\n")) == "KeyError: 3"
    assert failure_message(MemoryError()) == "MemoryError"
