"""Which failures of workers end a run, without a cluster."""

import pickle

import pytest
import torch
from ray.exceptions import ActorDiedError, ObjectLostError, OutOfMemoryError, RayActorError, RayTaskError
from ray.train import Checkpoint
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError, WorkerHealthCheckTimeoutError

from clism_core.cluster.ray_internals import WorkersStart
from clism_core.training.failures import DivergedError, FailureLimit, Place, TrainingError, describe_failure, located
from clism_core.utils.errors import FailureError, InputError, UnavailableError

STEP_7 = Place("step 7", 6, ("a", "b"))
KILLED = WorkerHealthCheckFailedError("failed", ActorDiedError())
PREEMPTED = WorkerHealthCheckFailedError("failed", RayActorError(error_msg="reclaimed", preempted=True))
CLOSED = RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer")


def value_error(place: Place = STEP_7, message: str = "bad row") -> TrainingError:
    return TrainingError(place, "ValueError", message)


def fail(limit: FailureLimit, *errors: Exception) -> None:
    """Start workers, and let them fail."""
    limit.start_workers()
    limit.after_exception(None, dict(enumerate(errors)))


def save(limit: FailureLimit, step: int = 10) -> None:
    limit.after_report(None, [{"step": step}], Checkpoint("/nowhere"))


def test_an_error_that_occurs_again_at_the_same_step_ends_the_run() -> None:
    limit = FailureLimit(max_failures=50)
    fail(limit, value_error())
    with pytest.raises(FailureError, match=r"occurred twice, at step 7: ValueError: another row; its .* worker: a, b"):
        fail(limit, value_error(message="another row"))


@pytest.mark.parametrize(
    "second",
    [
        pytest.param([value_error(Place("step 8", 7))], id="another step"),
        pytest.param([value_error(Place("the evaluation after step 7", 7))], id="the evaluation"),
        pytest.param([TrainingError(STEP_7, "KeyError", "bad row")], id="another type"),
        pytest.param([KILLED, value_error()], id="with the loss of a worker"),
        pytest.param([CLOSED], id="a consequence of the loss of a worker"),
        pytest.param([PREEMPTED], id="a preemption"),
    ],
)
def test_other_failures_do_not_end_it(second: list[Exception]) -> None:
    limit = FailureLimit(max_failures=50)
    fail(limit, value_error())
    fail(limit, *second)


def test_an_error_after_a_new_checkpoint_is_not_a_repetition() -> None:
    limit = FailureLimit(max_failures=50)
    fail(limit, value_error())
    save(limit, step=7)
    fail(limit, value_error())


def test_an_error_after_an_earlier_checkpoint_was_saved_again_is_one() -> None:
    limit = FailureLimit(max_failures=50)
    fail(limit, value_error())
    save(limit, step=6)
    with pytest.raises(FailureError, match="occurred twice"):
        fail(limit, value_error())


@pytest.mark.parametrize("failure", [KILLED, CLOSED, WorkerHealthCheckTimeoutError("hangs"), OSError("no space")])
def test_failures_are_counted_from_the_last_checkpoint_on(failure: Exception) -> None:
    limit = FailureLimit(max_failures=2)
    for _ in range(3):
        fail(limit, failure)
        fail(limit, failure)
        save(limit)
    limit.after_report(None, [{"step": 11}], None)  # an evaluation without a checkpoint is no progress
    fail(limit, failure)
    fail(limit, failure)
    with pytest.raises(FailureError, match=r"3 failures since the last checkpoint, .*max_failures \(2\)"):
        fail(limit, failure)


def test_no_failure_may_be_allowed_or_any_number() -> None:
    with pytest.raises(FailureError, match=r"1 failures .* step 7: ValueError: bad row"):
        fail(FailureLimit(max_failures=0), value_error())
    limit = FailureLimit(max_failures=-1)
    for _ in range(100):
        fail(limit, KILLED)


def test_a_store_that_does_not_answer_a_worker_is_a_failure_that_may_pass() -> None:
    limit = FailureLimit(max_failures=2)
    for _ in range(2):
        fail(limit, UnavailableError("s3://bucket/x: no answer"))
    with pytest.raises(FailureError, match=r"3 failures since the last checkpoint.*s3://bucket/x: no answer"):
        fail(limit, UnavailableError("s3://bucket/x: no answer"))


@pytest.mark.parametrize(
    ("failures", "named"),
    [
        pytest.param({0: CLOSED, 2: KILLED}, r"worker 2: a process or its node was lost", id="lost"),
        pytest.param(
            {1: WorkerHealthCheckTimeoutError("")}, r"worker 1: .* not answered for --workers\.hang", id="hang"
        ),
        pytest.param({0: CLOSED, 3: value_error()}, r"worker 3: step 7: ValueError: bad row", id="error"),
        pytest.param({1: CLOSED}, r"worker 1: RuntimeError: .*Connection closed", id="connection"),
    ],
)
def test_the_worker_that_caused_a_failure_is_named(failures: dict[int, Exception], named: str) -> None:
    with pytest.raises(FailureError, match=named):
        FailureLimit(max_failures=0).after_exception(None, failures)


def test_preemptions_are_not_counted() -> None:
    limit = FailureLimit(max_failures=0)
    fail(limit, PREEMPTED, CLOSED)


@pytest.mark.parametrize(
    "failure",
    [pytest.param(value_error(), id="error"), pytest.param(KILLED, id="loss"), pytest.param(CLOSED, id="gloo")],
)
def test_a_failure_that_is_reported_again_while_a_node_is_preempted_counts_once(failure: Exception) -> None:
    """Ray Train polls the failed workers a second time after a poll that finds a notice of preemption, too."""
    limit = FailureLimit(max_failures=1)
    fail(limit, failure)
    limit.after_exception(None, {0: pickle.loads(pickle.dumps(failure))})
    with pytest.raises(FailureError, match=r"twice|2 failures"):
        fail(limit, failure)


def test_callbacks_remain_connected_in_the_controller() -> None:
    """Ray Train sends them in one list."""
    limit = FailureLimit(max_failures=0)
    limit, start = pickle.loads(pickle.dumps([limit, WorkersStart(limit.start_workers)]))
    start.before_worker_group_start(None)
    with pytest.raises(FailureError, match="1 failures"):
        limit.after_exception(None, {0: CLOSED})
    limit.after_exception(None, {0: CLOSED})
    start.before_worker_group_start(None)
    with pytest.raises(FailureError, match="2 failures"):
        limit.after_exception(None, {0: CLOSED})


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(InputError("row 3 of x.parquet"), id="itself"),
        pytest.param(RayTaskError("read", "traceback", InputError("row 3 of x.parquet")), id="in a task"),
    ],
)
def test_an_input_error_ends_the_run_at_once(error: Exception) -> None:
    with pytest.raises(InputError, match="row 3 of x"):
        fail(FailureLimit(max_failures=3), error)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OutOfMemoryError("killed"), id="killed by Ray"),
        pytest.param(ActorDiedError(), id="killed by the operating system"),
    ],
)
def test_a_loss_for_lack_of_memory_names_what_to_lower(error: Exception) -> None:
    limit = FailureLimit(max_failures=0)
    with pytest.raises(FailureError, match=r"--micro_batch_size, .* max_length .* --workers\.number"):
        fail(limit, WorkerHealthCheckFailedError("failed", error))
    assert "--micro_batch_size" in describe_failure(error)


def test_a_full_gpu_names_what_to_lower() -> None:
    with pytest.raises(TrainingError, match=r"OutOfMemoryError: .*--micro_batch_size"), located(lambda: STEP_7):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("first line\nbad row"), id="of the worker"),
        pytest.param(OSError(28, "No space left on device", "/tmp"), id="of the operating system"),
        pytest.param(
            RayTaskError("make_part", "traceback\nValueError: bad row", ValueError("bad row")), id="of a task"
        ),
    ],
)
def test_errors_are_located(error: Exception) -> None:
    with pytest.raises(TrainingError) as raised, located(lambda: STEP_7):
        raise error
    assert (raised.value.place, raised.value.message) == (STEP_7, str(error).splitlines()[-1])
    assert raised.value.__cause__ is error
    again = pickle.loads(pickle.dumps(raised.value))
    assert str(again) == str(raised.value)
    assert again.same_as(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(CLOSED, id="gloo"),
        pytest.param(torch.distributed.DistBackendError("NCCL error"), id="nccl"),
        pytest.param(ObjectLostError("id", None, "stack"), id="lost object"),
        pytest.param(OSError("When reading information for key 'x': AWS Error NETWORK_CONNECTION"), id="object store"),
        pytest.param(ConnectionResetError(104, "reset"), id="connection"),
        pytest.param(InputError("bad"), id="input error"),
        pytest.param(DivergedError("not finite", step=7, sample_ids=["a"]), id="divergence"),
    ],
)
def test_errors_that_say_all_or_stem_from_elsewhere_are_not(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, located(lambda: STEP_7):
        raise error
    assert raised.value is error
