import contextlib
from pathlib import Path

import pytest
from mlflow_server import Server

from clism_core.tracking.lifecycle import end_lost_run, start_run, tracked_run, unfinished_run
from clism_core.tracking.run import TrackedRun
from clism_core.tracking.server import TrackingUnavailableError


@pytest.mark.parametrize(
    ("status", "resumed"),
    [
        pytest.param("KILLED", True, id="stopped"),
        pytest.param("FAILED", True, id="failed"),
        pytest.param("FINISHED", False, id="finished"),
    ],
)
def test_same_output_resumes_unless_finished(run: TrackedRun, status: str, resumed: bool) -> None:
    run.finish(status)
    again = start_run(job="pretrain", output="/outputs/first")
    assert (again.run_id == run.run_id) is resumed
    assert again.status() == "RUNNING"


def test_a_job_whose_output_was_deleted_has_a_run_of_its_own(run: TrackedRun) -> None:
    """The curves of the earlier one are not continued: its steps are other steps."""
    again = start_run(job="pretrain", output="/outputs/first", resumes=False)
    assert again.run_id != run.run_id
    assert run.status() == "KILLED"
    again.finish()
    assert unfinished_run("/outputs/first") is None


def test_another_output_is_another_run(run: TrackedRun) -> None:
    assert start_run(job="pretrain", output="/outputs/second").run_id != run.run_id


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(None, "FINISHED", id="done"),
        pytest.param(ValueError, "FAILED", id="failed"),
        pytest.param(KeyboardInterrupt, "KILLED", id="interrupted"),
    ],
)
def test_status_follows_the_block(home_folder: Path, error: type[BaseException] | None, status: str) -> None:
    with (
        contextlib.suppress(ValueError, KeyboardInterrupt),
        tracked_run(job="pretrain", output="/outputs/x", config={"seed": 1}) as run,
    ):
        if error is not None:
            raise error
    assert run.status() == status
    assert dict(run.client.get_run(run.run_id).data.params) == {"seed": "1"}


def test_block_may_end_its_run(home_folder: Path) -> None:
    with tracked_run(job="pretrain", output="/outputs/x", config={}) as run:
        run.finish("KILLED")
    assert run.status() == "KILLED"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, "KILLED", id="lost"),
        pytest.param("FAILED", "FAILED", id="ended"),
        pytest.param("FINISHED", "FINISHED", id="finished"),
    ],
)
def test_the_run_of_a_lost_process_is_ended(run: TrackedRun, before: str | None, after: str) -> None:
    if before is not None:
        run.finish(before)
    end_lost_run("/outputs/first", "KILLED")
    assert run.status() == after


def test_without_a_server_nothing_is_started(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.stop()
    with pytest.raises(TrackingUnavailableError, match="does not answer"):
        start_run(job="pretrain", output=str(tmp_path))
    end_lost_run(str(tmp_path), "KILLED")
    assert "is not ended" in caplog.text


def test_a_job_that_needs_its_server_in_vain_says_so(server: Server, tmp_path: Path) -> None:
    """In one line, instead of the request that failed."""

    def need_the_server() -> None:
        with tracked_run(job="pretrain", output=str(tmp_path), config={}) as run:
            server.stop()
            run.set_tags({"a": "b"})

    with pytest.raises(TrackingUnavailableError, match=r"does not answer .* the same command resumes the job$"):
        need_the_server()
