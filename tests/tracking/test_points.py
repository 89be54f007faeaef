"""Points through faults of the tracking server and of the processes that log them."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow_server import Server

from clism_core.tracking import points as module
from clism_core.tracking.lifecycle import send_unsent, start_run, unfinished_run
from clism_core.tracking.points import UNSENT, Latest, Point, new_points, read_points, unsent_files
from clism_core.tracking.run import TrackedRun
from clism_core.tracking.server import TrackingUnavailableError, server_problem, tracking_timeout
from clism_core.utils.errors import InputError

LOSS = "train/loss"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUFFER_SECONDS", 0.05)
    monkeypatch.setattr(module, "POLL", 0.1)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


def log(run: TrackedRun, steps: range) -> None:
    for step in steps:
        run.log_metrics({LOSS: float(step)}, step=step)


def history(run: TrackedRun, metric: str = LOSS) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in run.client.get_metric_history(run.run_id, metric)]


def wait_for_points(run: TrackedRun, number: int) -> None:
    """Wait until the background has sent them."""
    deadline = time.monotonic() + 60
    while len(history(run)) < number and time.monotonic() < deadline:
        time.sleep(0.05)


def expected(steps: range) -> list[tuple[int, float]]:
    return [(step, float(step)) for step in steps]


def lost_process(run: TrackedRun, steps: range, *, keep_at: int, flush: bool = False) -> None:
    """Log steps in a process that is killed afterwards, with a checkpoint at a step."""
    code = f"""
import os, signal
from clism_core.tracking.run import TrackedRun
run = TrackedRun({run.tracking_uri!r}, {run.run_id!r}, {run.output!r}, {run.created!r}, {run.writer!r})
for step in range({steps.start}, {steps.stop}):
    run.log_metrics({{"{LOSS}": float(step)}}, step=step)
    if step == {keep_at}:
        run.keep_points()
if {flush}:
    run.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9


@pytest.mark.parametrize(
    ("point", "latest", "is_new"),
    [
        pytest.param(Point(LOSS, 2.0, 5, 1), {}, True, id="first"),
        pytest.param(Point(LOSS, 2.0, 0, 1), {}, True, id="step 0"),
        pytest.param(Point(LOSS, 2.0, 5, 1), {LOSS: (4, 3.0)}, True, id="next"),
        pytest.param(Point(LOSS, 2.0, 5, 1), {LOSS: (5, 3.0)}, False, id="trained again"),
        pytest.param(Point(LOSS, 2.0, 3, 1), {LOSS: (5, 3.0)}, False, id="earlier"),
        pytest.param(Point("eval/f1", 2.0, 3, 1), {LOSS: (5, 3.0)}, True, id="another metric"),
        pytest.param(Point("runs", 2.0, 0, 1, replaces=True), {"runs": (0, 2.0)}, False, id="equal summary"),
        pytest.param(Point("runs", 2.0, 0, 1, replaces=True), {"runs": (0, 3.0)}, True, id="changed summary"),
    ],
)
def test_points_that_the_server_lacks(point: Point, latest: Latest, is_new: bool) -> None:
    assert new_points([point], latest) == ([point] if is_new else [])
    assert new_points([point], latest) == []


def test_points_reach_the_server_in_the_background(server: Server, output: Path) -> None:
    run = start_run(job="pretrain", output=str(output))
    log(run, range(1, 4))
    wait_for_points(run, 3)
    assert history(run) == expected(range(1, 4))
    assert not output.exists()


def test_a_server_that_comes_back_gets_all_points(
    server: Server, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = start_run(job="pretrain", output=str(output))
    log(run, range(1, 3))
    run.flush()
    server.stop()
    log(run, range(3, 6))
    with pytest.raises(TrackingUnavailableError, match="3 metric value"):
        run.flush()
    server.start()
    log(run, range(6, 8))
    wait_for_points(run, 7)
    run.flush()
    assert history(run) == expected(range(1, 8))
    assert not (output / UNSENT).exists()
    assert "does not answer" in caplog.text
    assert "accepts metrics again" in caplog.text


def test_a_lost_answer_doubles_no_point(server: Server, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLISM_TRACKING_TIMEOUT", "60")
    run = start_run(job="pretrain", output=str(output))
    log(run, range(1, 4))
    server.lost_answers = 1
    run.flush()
    assert server.lost_answers == 0
    assert history(run) == expected(range(1, 4))


def test_a_job_without_its_server_ends_in_time_and_says_what_waits(
    server: Server, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = start_run(job="pretrain", output=str(output))
    server.stop()
    log(run, range(1, 8))
    began = time.monotonic()
    run.finish("KILLED")
    run.finish("FAILED")  # as `tracked_run` does after a block that has ended its run
    assert time.monotonic() - began < 60
    (said,) = (record.getMessage() for record in caplog.records if "not ended yet" in record.getMessage())
    assert f"7 metric value(s) of run {run.run_id} wait in {output / UNSENT}" in said
    assert f"`clism sync --output {output}`" in said
    assert [(point.step, point.value) for point in read_points(str(output / UNSENT / f"{run.run_id}.jsonl"))] == (
        expected(range(1, 8))
    )
    server.start()
    assert send_unsent(str(output)) == {run.run_id: 7}
    assert history(run) == expected(range(1, 8))
    assert run.status() == "KILLED"
    assert not output.exists() or not list(output.iterdir())
    assert send_unsent(str(output)) == {}


@pytest.mark.parametrize("is_away", [pytest.param(True, id="server-away"), pytest.param(False, id="server-there")])
def test_curve_of_a_killed_and_resumed_run(server: Server, output: Path, is_away: bool) -> None:
    """Steps 1 to 8 with a checkpoint at 5, and again from there: one point a step."""
    run = start_run(job="pretrain", output=str(output))
    if is_away:
        server.stop()
    lost_process(run, range(1, 9), keep_at=5, flush=not is_away)
    if is_away:
        (kept,) = unsent_files(str(output))[run.run_id]
        assert [point.step for point in read_points(kept)] == [1, 2, 3, 4, 5]
        server.start()
    resumed = start_run(job="pretrain", output=str(output))
    assert resumed.run_id == run.run_id
    assert history(resumed) == expected(range(1, 6 if is_away else 9))
    log(resumed, range(6, 12))
    resumed.flush()
    assert history(resumed) == expected(range(1, 12))


def test_a_restarted_worker_sends_what_the_lost_one_has_kept(
    server: Server, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the kept points, then its own; the driver sends what both have left."""
    monkeypatch.setenv("CLISM_TRACKING_TIMEOUT", "60")
    driver = start_run(job="pretrain", output=str(output))
    driver.log_summary({"data/samples": 10})
    server.stop()
    worker = replace(driver, writer="worker")
    lost_process(worker, range(1, 6), keep_at=3)
    log(worker, range(4, 8))
    worker.keep_points()
    server.start()
    driver.flush()
    assert history(driver) == expected(range(1, 8))
    assert history(driver, "data/samples") == [(0, 10.0)]


def test_kept_points_are_sent_in_the_order_of_steps(server: Server, output: Path) -> None:
    """Whatever the clocks of the nodes that logged them."""
    run = start_run(job="pretrain", output=str(output))
    folder = output / UNSENT
    folder.mkdir(parents=True)
    for name, step, at in (("worker", 2, 1), ("", 1, 2), ("other", 3, 0)):
        file = folder / f"{run.run_id}{name and '.'}{name}.jsonl"
        file.write_text(json.dumps({"metric": LOSS, "value": float(step), "step": step, "time": at}) + "\n")
    assert send_unsent(str(output)) == {run.run_id: 3}
    assert sorted(history(run)) == expected(range(1, 4))


def test_summaries_are_replaced(server: Server, output: Path) -> None:
    run = start_run(job="study", output=str(output))
    for failed in (3, 3, 0):
        run.log_summary({"failed_runs": failed})
        time.sleep(0.01)  # MLflow orders by milliseconds
    run.flush()
    assert [value for _, value in history(run, "failed_runs")] == [3.0, 0.0]
    assert run.client.get_run(run.run_id).data.metrics == {"failed_runs": 0.0}


def test_points_of_an_unknown_run_stay(server: Server, output: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As those of another server: they are neither lost nor in the way of a new run."""
    file = output / UNSENT / f"{'0' * 32}.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"metric": LOSS, "value": 1.0, "step": 1, "time": 1}) + "\n")
    with pytest.raises(TrackingUnavailableError, match=r"not found.*MLFLOW_TRACKING_URI"):
        send_unsent(str(output))
    run = start_run(job="pretrain", output=str(output))
    assert "not found" in caplog.text
    log(run, range(1, 3))
    run.finish()
    assert history(run) == expected(range(1, 3))
    assert len(read_points(str(file))) == 1


@pytest.mark.parametrize("line", ['{"metric": "train/lo', "[]", '{"metric": "x"}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps({"metric": LOSS, "value": 1.0, "step": 1, "time": 1}) + f"\n{line}\n")
    with pytest.raises(InputError, match=rf"{file}: line 2 holds no point"):
        read_points(str(file))


def test_runs_below_a_folder(server: Server, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUFFER_SECONDS", 60)
    runs = [start_run(job="pretrain", output=str(output / "trials" / name)) for name in ("a", "b")]
    for run in runs:
        log(run, range(1, 3))
        run.keep_points()
    assert send_unsent(str(output)) == {}
    assert send_unsent(str(output), recursive=True) == {run.run_id: 2 for run in runs}
    assert all(history(run) == expected(range(1, 3)) for run in runs)


def test_points_in_a_bucket(server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUFFER_SECONDS", 60)
    run = start_run(job="pretrain", output=f"{bucket}/runs/x")
    log(run, range(1, 4))
    run.keep_points()
    assert send_unsent(f"{bucket}/runs", recursive=True) == {run.run_id: 3}
    assert history(run) == expected(range(1, 4))
    assert unsent_files(f"{bucket}/runs", recursive=True) == {}


def test_the_first_status_with_which_a_run_ends_holds(server: Server, output: Path) -> None:
    """Also if the server comes back between the end of a block and that of its `tracked_run`."""
    run = start_run(job="pretrain", output=str(output))
    server.stop()
    run.finish("KILLED")
    server.start()
    run.finish("FINISHED")
    assert run.status() == "KILLED"
    assert not (output / UNSENT).exists()


def test_a_resumed_run_is_running_whatever_waited(server: Server, output: Path) -> None:
    run = start_run(job="pretrain", output=str(output))
    server.stop()
    run.finish("KILLED")
    server.start()
    assert start_run(job="pretrain", output=str(output)).run_id == run.run_id
    assert run.status() == "RUNNING"
    run.finish()
    assert unfinished_run(str(output)) is None


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_timeout_is_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CLISM_TRACKING_TIMEOUT", text)
    with pytest.raises(InputError, match=f"CLISM_TRACKING_TIMEOUT {text}"):
        tracking_timeout()


def test_problem_of_a_server(server: Server) -> None:
    assert server_problem(server.uri) == ""
    assert server_problem("sqlite:////x/mlflow.db") == ""
    server.stop()
    assert server_problem(server.uri) == (
        f"the MLflow server at {server.uri} does not answer ([Errno 111] Connection refused)"
    )
