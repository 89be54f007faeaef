"""The sync job, after a job whose tracking server was away."""

from pathlib import Path

import pytest
import sync as job
from mlflow_server import Server

from clism_core.command_line import EXIT_BAD_INPUT, EXIT_DONE, EXIT_FAILURE, run_job
from clism_core.tracking.lifecycle import tracked_run


def run(output: Path) -> int:
    return run_job(job.SyncConfig, job.main, description="", arguments=["--output", str(output)])


def test_sync(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "output"
    with tracked_run(job="pretrain", output=str(output), config={}) as tracked:
        server.stop()
        for step in (1, 2):
            tracked.log_metrics({"train/loss": 1 / step}, step=step)
    assert run(output) == EXIT_FAILURE
    assert "does not answer" in capsys.readouterr().err
    server.start()
    assert run(output) == EXIT_DONE
    assert f"metric values of run {tracked.run_id}." in capsys.readouterr().out
    assert tracked.status() == "FINISHED"
    points = tracked.client.get_metric_history(tracked.run_id, "train/loss")
    assert [(point.step, point.value) for point in points] == [(1, 1.0), (2, 0.5)]
    assert run(output) == EXIT_DONE
    assert f"No metrics wait in {output}." in capsys.readouterr().out


def test_a_missing_folder_is_an_input_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none") == EXIT_BAD_INPUT
    assert "does not exist" in capsys.readouterr().err
