"""The command `clism` over a folder of jobs."""

import sys
from contextvars import copy_context
from pathlib import Path

import pytest

from clism_core import cli, command_line

JOB = '''"""Greet: a name -> a greeting.

    python jobs/greet.py NAME
"""

import sys

if __name__ == "__main__":
    print(sys.argv[1:])
    sys.exit(143)
'''


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cli, "JOBS", tmp_path)
    (tmp_path / "greet.py").write_text(JOB)
    (tmp_path / "configs").mkdir()
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["/venv/bin/clism", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        copy_context().run(cli.main)
    return exit_info.value.code


def test_a_job_gets_its_options_and_gives_its_exit_status(
    jobs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "greet", "--help", "--version", "--", "Ada") == 143
    assert capsys.readouterr().out == "['--help', '--version', '--', 'Ada']\n"


def test_help_lists_each_job_file_with_the_first_line_of_its_docstring(
    jobs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--help") == 0
    printed = capsys.readouterr().out
    assert "  greet     Greet: a name -> a greeting.\n" in printed
    assert str(jobs / "configs") in printed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param([], "required: JOB", id="no-job"),
        pytest.param(["gret"], "invalid choice: 'gret'", id="unknown-job"),
        pytest.param(["configs"], "invalid choice: 'configs'", id="not-a-job-file"),
    ],
)
def test_bad_jobs_are_refused(
    jobs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    assert call(monkeypatch, *given) == command_line.EXIT_BAD_INPUT
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("called_job", "expected"),
    [
        pytest.param("prepare", "clism pretrain", id="clism"),
        pytest.param(None, "python jobs/pretrain.py", id="job-file"),
    ],
)
def test_the_next_command_is_called_as_this_one_was(
    monkeypatch: pytest.MonkeyPatch, called_job: str | None, expected: str
) -> None:
    monkeypatch.setattr(command_line, "PYTHON", "python")
    token = cli.CALLED_JOB.set(called_job)
    try:
        assert command_line.job_command("pretrain") == expected
    finally:
        cli.CALLED_JOB.reset(token)


def test_a_preset_is_named_as_a_user_types_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command_line, "CONFIGS", tmp_path / "jobs" / "configs")
    assert command_line.preset_path("short.yaml") == str(tmp_path / "jobs" / "configs" / "short.yaml")
    monkeypatch.chdir(tmp_path)
    assert command_line.preset_path("short.yaml") == "jobs/configs/short.yaml"
