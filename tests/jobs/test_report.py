"""The report job: from runs in MLflow to a page."""

from pathlib import Path

import pytest
import report as job
from tiny import change_manifest, write_prepared

from clism_core.command_line import EXIT_BAD_INPUT, EXIT_DONE, run_job
from clism_core.tracking.lifecycle import tracked_run


def run(*arguments: str) -> int:
    return run_job(job.ReportConfig, job.main, description="", arguments=list(arguments))


def test_a_run_becomes_a_page_with_samples_of_its_data(
    home_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    prepared, output, page = write_prepared(tmp_path / "prepared"), tmp_path / "out", tmp_path / "pages" / "page.html"
    change_manifest(prepared, pairs={"en-de": {}, "en-es": {}})
    with tracked_run(job="pretrain", output=str(output), config={"model": "xlm-roberta-base"}) as tracked:
        for folder in (prepared, tmp_path / "gone"):
            tracked.log_dataset(folder=str(folder), fingerprint=folder.name, profile={})
    assert run("--run", str(output), "--output", str(page)) == EXIT_DONE
    assert f"Report of 1 run(s): {page}" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert tracked.run_id in text
    assert text.count('<article class="sample">') == 2
    assert f"the report shows no samples of {tmp_path / 'gone'}" in caplog.text


def test_an_unknown_run_is_an_input_error(home_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--run", "none") == EXIT_BAD_INPUT
    assert "MLflow has no run with this id" in capsys.readouterr().err


def test_an_output_that_is_a_folder_is_an_input_error(
    home_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--run", "none", "--output", str(tmp_path)) == EXIT_BAD_INPUT
    assert "is a folder" in capsys.readouterr().err
