"""Command line of the jobs, on which other people's scripts depend."""

import errno
import importlib
import logging
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._private import utils as ray_utils
from ray.train import WorkerGroupError

from clism_core.cluster.graceful_stop import interrupted_by_signals, stop_signals
from clism_core.cluster.ray_internals import own_sigterm_handler
from clism_core.command_line import (
    CONFIGS,
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_FAILURE,
    EXIT_STOPPED,
    StoppedError,
    build_parser,
    run_job,
    show,
    writing,
)
from clism_core.utils.errors import InputError

OPTIONS = Path(__file__).parent / "options"
CONFIG_CLASSES = {
    "demo": "DemoConfig",
    "prepare": "PrepareConfig",
    "pretrain": "PretrainConfig",
    "finetune": "FinetuneConfig",
    "evaluate": "EvaluateConfig",
    "predict": "PredictConfig",
    "promote": "PromoteConfig",
    "report": "ReportConfig",
    "sync": "SyncConfig",
    "tune": "TuneConfig",
    "study": "StudyConfig",
}
PRESETS = sorted(CONFIGS.glob("*.yaml"))
GIVEN_BY_THE_USER = {  # where a preset does not
    "prepare": {"corpora": "[]", "output": "x"},
    "evaluate": {"model": "m", "tests": "[]", "output": "x"},
    "study": {"name": "main"},
}


def config_class(job: str) -> type[Any]:
    found: type[Any] = getattr(importlib.import_module(job), CONFIG_CLASSES[job])
    return found


def job_of(preset: Path) -> str:
    """Return the job in the command at the top of a preset."""
    command = re.search(r"python jobs/(\w+)\.py", preset.read_text())
    assert command is not None
    return command[1]


def option_strings(job: str) -> list[str]:
    # A private list, but the only one; --help breaks lines by the width of the terminal.
    return sorted(
        option for action in build_parser(config_class(job), None)._actions for option in action.option_strings
    )


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all fields; a mapping with numeric keys is a value."""
    for name, value in values.items():
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("job", CONFIG_CLASSES)
def test_options_are_frozen(job: str) -> None:
    now, frozen = option_strings(job), (OPTIONS / f"{job}.txt").read_text().split()
    assert now == frozen, (
        f"the options of jobs/{job}.py have changed, and other people's scripts with them. If that is meant: "
        "python tests/jobs/test_command_line.py writes tests/jobs/options anew"
    )


def test_texts_do_not_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: object) -> None:
        show("a\x1b[2Jb\nc")
        logging.getLogger("clism_core").warning("row \x9b2J")
        raise InputError("line 3: '\x1b]0;title\x07'")

    assert (
        run_job(config_class("promote"), fail, description=None, arguments=["--model", "m", "--tests", "[]"])
        == EXIT_BAD_INPUT
    )
    said, errors = capsys.readouterr()
    assert said == "a\\x1b[2Jb\nc\n"
    assert errors.endswith("error: line 3: '\\x1b]0;title\\x07'\n")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", said + errors)


KEYS = "s3://AKIA:SESAME@bucket/x"
SERVER = "http://user:SESAME@mlflow:5000"
WITH_CREDENTIALS = [
    pytest.param("prepare", ["--corpora", f"[{{path: {KEYS}, format: tsv}}]", "--output", "{out}"], {}, id="in-a-list"),
    pytest.param("pretrain", ["--model", "m", "--data", KEYS, "--output", "{out}"], {}, id="data"),
    pytest.param("pretrain", [f"--data={KEYS}", "--output", "{out}", "--print_config"], {}, id="print_config"),
    pytest.param("finetune", ["--model", "m", "--train", KEYS, "--output", "{out}"], {}, id="train"),
    pytest.param("evaluate", ["--model", KEYS, "--tests", "[]", "--output", "{out}"], {}, id="model"),
    pytest.param("predict", ["--model", "m", "--input", "x.csv", "--output", KEYS], {}, id="output"),
    pytest.param("predict", ["--modl", KEYS], {}, id="unknown-option"),
    pytest.param("pretrain", ["--config", "{preset}"], {}, id="preset"),
    pytest.param("pretrain", ["--config={preset}", "--print_config"], {}, id="preset-printed"),
    pytest.param("promote", [], {"MLFLOW_TRACKING_URI": SERVER}, id="tracking"),
    pytest.param("study", ["--name", "main"], {"MLFLOW_TRACKING_URI": "mysql://u:SESAME@db/x"}, id="tracking-database"),
    pytest.param("tune", ["--space", "temperature"], {"AWS_ENDPOINT_URL": SERVER}, id="endpoint"),
]


@pytest.mark.parametrize(("job", "arguments", "variables"), WITH_CREDENTIALS)
def test_credentials_are_refused_and_written_nowhere(
    job: str,
    arguments: list[str],
    variables: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    written = tmp_path / "written"
    monkeypatch.setenv("CLISM_HOME", str(written / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{written}/mlflow.db")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    preset = tmp_path / "preset.yaml"
    preset.write_text(f"model: m\ndata:\n- path: {KEYS}\n  weight: none\n")
    given = [argument.replace("{out}", str(written / "out")).replace("{preset}", str(preset)) for argument in arguments]
    module = importlib.import_module(job)
    with pytest.raises(SystemExit) as ended:
        run_job(config_class(job), module.main, description=None, arguments=given)
    assert ended.value.code == EXIT_BAD_INPUT
    said = "".join(capfd.readouterr()) + caplog.text
    assert "contains credentials" in said
    assert "***@" in said
    texts = [said, *(file.read_text(errors="replace") for file in written.rglob("*") if file.is_file())]
    assert not [text for text in texts if "SESAME" in text]


@pytest.mark.parametrize("job", CONFIG_CLASSES)
def test_help_shows_plain_types(job: str) -> None:
    """Requires `from __future__ import annotations` in each module of configurations."""
    assert "Annotated" not in build_parser(config_class(job), None).format_help()


@pytest.mark.parametrize("preset", [pytest.param(preset, id=preset.stem) for preset in PRESETS])
def test_preset_sets_every_field(preset: Path) -> None:
    text = yaml.safe_load(preset.read_text())
    job, written = job_of(preset), set(leaves(text))
    given = {name: value for name, value in GIVEN_BY_THE_USER.get(job, {}).items() if name not in written}
    required = [argument for name, value in given.items() for argument in (f"--{name}", value)]
    parser = build_parser(config_class(job), None)
    values = parser.parse_args(["--config", str(preset), *required])
    parser.instantiate(values)
    del values["config"]
    fields = set(leaves(values.as_dict()))
    expected = fields - given.keys()
    if job == "study":  # its presets are tested separately, and unused tasks need no settings
        taken = [name for name in ("pretrain", "mrc", "ner", "wikiann") if not isinstance(text.get(name), Mapping)]
        expected = {name for name in expected if name.split(".")[0] not in taken}
        written -= set(taken)
        assert {*text["tasks"], "pretrain"} <= text.keys()
    assert written == expected


@pytest.mark.parametrize(
    ("job", "given", "named"),
    [
        pytest.param("prepare", ["--nope", "1"], "--nope", id="unknown"),
        pytest.param("prepare", ["--aligner.nope", "1"], "--aligner.nope", id="unknown-nested"),
        pytest.param("prepare", ["--rows_per_file", "many"], "rows_per_file", id="ill-typed"),
        pytest.param("prepare", ["--aligner.kind", "giza"], "aligner.kind", id="not-one-of"),
        pytest.param("prepare", ["--corpora", "[{path: x}]"], "source_lang", id="missing-in-list"),
        pytest.param("evaluate", ["--tests", "[{path: x}]"], "dataset", id="test-set-without-a-name"),
        pytest.param("evaluate", ["--tests", "[{dataset: x, path: {name: a}}]"], "path", id="hub-without-a-split"),
        pytest.param("pretrain", ["--loop.step", "3"], "--loop.step", id="no-abbreviations"),
        pytest.param("pretrain", ["--optimizer.betas", "[0.9]"], "optimizer.betas", id="too-few"),
        pytest.param("pretrain", ["--pairs_per_sample", "{0: x}"], "pairs_per_sample", id="ill-typed-mapping"),
        pytest.param("pretrain", ["--config", "{yaml: loop}"], "loop", id="ill-typed-group-in-preset"),
        pytest.param("pretrain", ["--config", "{yaml: nested}"], "nope", id="unknown-in-preset"),
        pytest.param("finetune", ["--task", "qa"], "task", id="no-such-task"),
        pytest.param("finetune", ["--train", "[{name: x}]"], "train", id="half-a-data-set-of-the-hub"),
        pytest.param("pretrain", ["--config", "/nowhere.yaml"], "/nowhere.yaml", id="no-such-preset"),
    ],
)
def test_bad_field_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], job: str, given: list[str], named: str
) -> None:
    presets = {"{yaml: loop}": "loop: 3\n", "{yaml: nested}": "loop: {nope: 3}\n"}
    if text := presets.get(given[1]):
        (tmp_path / "preset.yaml").write_text(text)
        given = [given[0], str(tmp_path / "preset.yaml")]
    required = {
        "prepare": ["--corpora", "[]", "--output", "x"],
        "pretrain": ["--model", "m", "--data", "d"],
        "finetune": ["--task", "mrc", "--model", "m", "--train", "t", "--dev", "d"],
        "evaluate": ["--model", "m", "--tests", "[]"],
    }[job]
    with pytest.raises(SystemExit) as exit_info:
        run_job(
            config_class(job),
            raising(AssertionError("it was accepted")),
            description=None,
            arguments=[*required, *given],
        )
    assert exit_info.value.code == EXIT_BAD_INPUT
    message = capsys.readouterr().err.partition("error:")[2]  # after the usage, which names all fields
    assert named in message


@dataclass
class ToyConfig:
    """Configuration with one field."""

    size: int = 3
    """Any number."""


def raising(error: Exception) -> Callable[[ToyConfig], None]:
    def main(config: ToyConfig) -> None:
        raise error

    return main


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(InputError("--size 3: too small"), id="driver"),
        pytest.param(WorkerGroupError("a traceback", {1: InputError("--size 3: too small")}), id="worker"),
    ],
)
def test_input_error_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    assert run_job(ToyConfig, raising(error), description=None, arguments=[]) == EXIT_BAD_INPUT
    assert capsys.readouterr().err == "error: --size 3: too small\n"


def test_other_errors_propagate() -> None:
    with pytest.raises(ZeroDivisionError):
        run_job(ToyConfig, raising(ZeroDivisionError()), description=None, arguments=[])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("written", [False, True])
def test_a_job_can_be_stopped_at_any_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals, written: bool
) -> None:
    output = str(tmp_path / "out")

    def main(config: ToyConfig) -> None:
        with writing("prepare", output) if written else nullcontext():
            os.kill(os.getpid(), number)
            time.sleep(10)

    handlers = [signal.getsignal(number) for number in EXIT_STOPPED]
    assert run_job(ToyConfig, main, description=None, arguments=[]) == EXIT_STOPPED[number] == 128 + number
    assert [signal.getsignal(number) for number in EXIT_STOPPED] == handlers
    said = capsys.readouterr().out
    assert said.startswith("\nStopped; ")
    assert (f"the same command, with --output {output}" in said) == written
    assert not (Path(output) / ".lock").exists()


def test_a_job_that_saved_after_a_signal_was_stopped_by_it(tmp_path: Path) -> None:
    def main(config: ToyConfig) -> None:
        with stop_signals(lambda: None, "saving"):
            os.kill(os.getpid(), signal.SIGTERM)
        raise StoppedError("pretrain", output="x")

    assert run_job(ToyConfig, main, description=None, arguments=[]) == EXIT_STOPPED[signal.SIGTERM]


def test_a_job_that_was_done_at_a_signal_is_done(tmp_path: Path) -> None:
    def main(config: ToyConfig) -> None:
        with stop_signals(lambda: None, "saving"):
            os.kill(os.getpid(), signal.SIGTERM)

    assert run_job(ToyConfig, main, description=None, arguments=[]) == EXIT_DONE


def test_ray_keeps_the_jobs_handler_of_sigterm() -> None:
    with interrupted_by_signals():
        own = signal.getsignal(signal.SIGTERM)
        with own_sigterm_handler():
            ray_utils.set_sigterm_handler(lambda *_: None)
        assert signal.getsignal(signal.SIGTERM) is own


def test_an_unusable_output_or_store_is_an_input_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(config: ToyConfig) -> None:
        with writing("prepare", str(tmp_path / "file")):
            pytest.fail("it began")

    (tmp_path / "file").touch()
    assert run_job(ToyConfig, main, description=None, arguments=[]) == EXIT_BAD_INPUT
    assert "file: cannot be written: File exists" in capsys.readouterr().err
    (tmp_path / "file").unlink()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert run_job(ToyConfig, main, description=None, arguments=[]) == EXIT_BAD_INPUT
    assert "http://127.0.0.1:9 cannot be used" in capsys.readouterr().err


def test_a_job_that_resumes_waits_for_its_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(config: ToyConfig) -> None:
        with writing("prepare", str(tmp_path)):
            pytest.fail("it began")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("CLISM_TRACKING_TIMEOUT", "0.1")
    assert run_job(ToyConfig, main, description=None, arguments=[]) == EXIT_FAILURE
    assert "the MLflow server at http://127.0.0.1:9 does not answer" in capsys.readouterr().err


def test_a_full_disk_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def main(config: ToyConfig) -> None:
        with writing("prepare", str(tmp_path / "out")):
            raise OSError(errno.ENOSPC, "No space left on device")

    assert run_job(ToyConfig, main, description=None, arguments=[]) == EXIT_FAILURE
    said = capsys.readouterr().err
    assert said.startswith("error: no space is left on the disk")
    assert f"MiB at {tmp_path}/out" in said
    assert said.count("\n") == 1


def test_overrides_win_over_the_preset(tmp_path: Path) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text("size: 4\n")
    seen: list[ToyConfig] = []
    for given in ([], ["--config", str(preset)], ["--config", str(preset), "--size", "5"]):
        assert run_job(ToyConfig, seen.append, description=None, arguments=given) == EXIT_DONE
    assert [config.size for config in seen] == [3, 4, 5]


if __name__ == "__main__":
    for changed in CONFIG_CLASSES:
        (OPTIONS / f"{changed}.txt").write_text("\n".join(option_strings(changed)) + "\n")
