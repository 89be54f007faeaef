"""Command line shared by all jobs: YAML presets, dotted overrides, `--print_config`, outputs, exit status."""

import argparse
import dataclasses
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TextIO, TypeVar, get_type_hints

import jsonargparse

from clism_core.cli import CALLED_JOB, JOBS, PROGRAM
from clism_core.cluster.console import quieten_libraries
from clism_core.cluster.graceful_stop import interrupted_by_signals, stop_signal
from clism_core.model.resolve import is_tracked
from clism_core.tracking.check import check_tracking
from clism_core.training.config import CONFIG_FILE
from clism_core.utils.credentials import check_no_credentials, check_variables, hide_credentials
from clism_core.utils.disk_space import full_disk
from clism_core.utils.errors import FailureError, InputError, OnlyCheckedError, input_error_within
from clism_core.utils.fields import ModelRef, walk, with_changed
from clism_core.utils.home import home, with_home
from clism_core.utils.output_lock import exclusive_folder
from clism_core.utils.storage import absolute, exists, is_local, join
from clism_core.utils.text import PrintableFormatter, printable_lines

ConfigT = TypeVar("ConfigT")

CONFIGS = JOBS / "configs"
PYTHON = os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(Path.cwd()) else "python"
"""Command that calls this Python: its path if it is below the current directory, as in a virtual environment."""
EXIT_DONE, EXIT_FAILURE, EXIT_BAD_INPUT = 0, 1, 2
EXIT_STOPPED = {signal.SIGTERM: 143, signal.SIGINT: 130}
"""Exit status of a job that a signal has stopped before its end, as shells report it."""

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)


class Shortcut(NamedTuple):
    """An option that prints a text and exits, like `--help`; required options may then be missing."""

    name: str
    help: str
    text: Callable[[str], str]
    """Returns the text to print for the option's argument; raises `InputError`."""


class _PrintAndExit(argparse.Action):
    def __init__(self, *, text: Callable[[str], str], **options: Any) -> None:
        super().__init__(**options)
        self._text = text

    def __call__(self, parser: argparse.ArgumentParser, _: Any, values: Any, __: Any = None) -> None:
        try:
            show(self._text(values))
        except InputError as error:
            show(f"error: {error}", file=sys.stderr)
            parser.exit(EXIT_BAD_INPUT)
        parser.exit(EXIT_DONE)


def show(text: str, *, file: TextIO | None = None) -> None:
    """Print a text of a job: all of them go through here, so that no text of a corpus or a model controls the terminal.

    Args:
        text: may contain names, rows and URIs; non-printable characters are escaped and credentials hidden.
        file: standard output by default.
    """
    print(hide_credentials(printable_lines(text)), file=file, flush=True)


def job_command(job: str) -> str:
    """Return the command for `job`, in the form of the running one: `clism JOB` or `python jobs/JOB.py`."""
    return f"{PROGRAM} {job}" if CALLED_JOB.get() else f"{PYTHON} jobs/{job}.py"


def job_process(job: str) -> list[str]:
    """Return the arguments that run `job` in its own process, called as the running job was (see `job_command`)."""
    if CALLED_JOB.get():
        return [sys.executable, "-P", "-c", "from clism_core.cli import main; main()", job]
    return [sys.executable, str(JOBS / f"{job}.py")]


def preset_path(name: str) -> str:
    """Return the path of a preset as a user types it: relative if it is below the current directory."""
    path = CONFIGS / name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


class StoppedError(Exception):
    """A request to stop before the job was done; the text says how to resume.

    Args:
        job: name of the job.
        output: its output.
    """

    def __init__(self, job: str, *, output: str):
        again = f"{job_command(job)} --config {output}/{CONFIG_FILE}"
        if not (is_local(output) and exists(join(output, CONFIG_FILE))):
            again = f"the same command, with --output {output}"
        super().__init__(f"""
Stopped; the state is saved in {output}. To resume:
  {again}
""")


@contextmanager
def writing(
    job: str, output: str, *, lock: AbstractContextManager[None] | None = None, tracked: bool = True
) -> Iterator[None]:
    """Check tracking store and output, and hold the output, in the block that starts Ray and writes it.

    Args:
        job: name of the job.
        output: its output.
        lock: lock of the output; None for that of a folder.
        tracked: whether the job writes to the tracking store.

    Raises:
        InputError: if they cannot be used, or another process holds the output.
        StoppedError: if the block is interrupted by a signal.
        FailureError: if the block fails because a disk is full, or if a job cannot be resumed because its tracking
            server does not answer.
    """
    if tracked:
        check_tracking(waits=exists(output))
    with lock or exclusive_folder(output):
        try:
            yield
        except KeyboardInterrupt:
            raise StoppedError(job, output=output) from None
        except Exception as error:
            written = [absolute(output)] if is_local(output) else []
            failure = full_disk(error, [*written, tempfile.gettempdir(), str(home())])
            if failure is None or input_error_within(error) is not None:
                raise
            raise failure from error


def build_parser(
    config_class: type[ConfigT], description: str | None, shortcuts: Sequence[Shortcut] = ()
) -> jsonargparse.ArgumentParser:
    """Return the parser of a job: one option per field of `config_class`, with dots if nested, and `shortcuts`."""
    program = f"{PROGRAM} {job}" if (job := CALLED_JOB.get()) else None  # None: name of the job file
    parser = jsonargparse.ArgumentParser(prog=program, description=description, allow_abbrev=False)
    parser.add_argument("--config", action="config", help="YAML preset; options after it override its fields")
    for shortcut in shortcuts:
        parser.add_argument(
            f"--{shortcut.name}",
            action=_PrintAndExit,
            text=shortcut.text,
            help=shortcut.help,
            metavar="DIR",
            default=argparse.SUPPRESS,
        )
    parser.add_class_arguments(config_class)
    return parser


def check_groups(
    parser: jsonargparse.ArgumentParser, config_class: type[object], values: jsonargparse.Namespace, prefix: str = ""
) -> None:
    """Exit with the status of bad input if a preset has a single value for a group of fields, as in `loop: 3`.

    jsonargparse checks this only on the command line.
    """
    for name, kind in get_type_hints(config_class).items():
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            continue
        if not isinstance(values[name], jsonargparse.Namespace):
            parser.error(f'Parser key "{prefix}{name}": Expected the fields of a {kind.__name__}. Got: {values[name]}')
        check_groups(parser, kind, values[name], f"{prefix}{name}.")


def check_credentials(arguments: Sequence[str]) -> None:
    """Raise `InputError` if the arguments, the presets they name, or the environment's URIs contain credentials.

    They are checked as texts, because the parser quotes values in its messages and prints them for `--print_config`.
    """
    check_variables()
    joined = [f"{name}={value}" for name, value in pairwise(arguments)]
    for argument in [*arguments, *joined]:
        option, _, value = argument.partition("=")
        check_no_credentials(argument, title=option if value else "the command line")
        if option == "--config" and Path(value).is_file():
            check_no_credentials(Path(value).read_text(errors="replace"), title=value)


def with_home_folder(config: ConfigT) -> ConfigT:
    """Return a configuration with `$CLISM_HOME` at the start of paths replaced by the home folder."""
    return with_changed(config, lambda field: with_home(field.value) if isinstance(field.value, str) else field.value)


def _check_registry(config: object) -> None:
    """Check the tracking store if it holds a model of the configuration: MLflow would retry for minutes."""
    models = [field.value for field in walk(config) if field.is_marked(ModelRef)]
    if any(isinstance(model, str) and is_tracked(model) for model in models):
        check_tracking()


def run_job(
    config_class: type[ConfigT],
    main: Callable[[ConfigT], None],
    *,
    description: str | None,
    arguments: Sequence[str] | None = None,
    default_preset: str | None = None,
    shortcuts: Sequence[Shortcut] = (),
) -> int:
    """Parse the command line into a `config_class`, call `main` with it and return the exit status.

    Without arguments, `default_preset` (a file of `jobs/configs`) is used, if given. Exit status: 0 done; 2 bad
    configuration or input, found anywhere on the cluster (argparse uses it, too); 143 or 130 stopped by SIGTERM or
    SIGINT; 1 failure. Unexpected failures propagate as exceptions, for which Python exits with 1.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given and default_preset is not None:
        given = ["--config", str(CONFIGS / default_preset)]
    console = logging.StreamHandler()
    console.setFormatter(PrintableFormatter())
    logging.basicConfig(handlers=[console])
    logging.getLogger("clism_core").setLevel(logging.INFO)
    parser = build_parser(config_class, description, shortcuts)
    try:
        check_credentials(given)
    except InputError as error:
        show(f"error: {error}", file=sys.stderr)
        parser.exit(EXIT_BAD_INPUT)
    values = parser.parse_args(given)
    del values["config"]
    check_groups(parser, config_class, values)
    config = parser.instantiate(values)
    quieten_libraries()
    with interrupted_by_signals():
        try:
            complete = with_home_folder(config_class(**vars(config)))
            _check_registry(complete)
            main(complete)
        except StoppedError as stopped:
            show(str(stopped))
            return EXIT_STOPPED[stop_signal(default=signal.SIGTERM)]
        except OnlyCheckedError as passed:
            show(str(passed))
            return EXIT_DONE
        except KeyboardInterrupt:  # before the job has begun to write
            show("\nStopped; nothing was written.")
            return EXIT_STOPPED[stop_signal(default=signal.SIGINT)]
        except FailureError as error:
            show(f"error: {error}", file=sys.stderr)
            return EXIT_FAILURE
        except Exception as error:
            input_error = input_error_within(error)
            if input_error is None:
                raise
            show(f"error: {input_error}", file=sys.stderr)
            return EXIT_BAD_INPUT
    return EXIT_DONE
