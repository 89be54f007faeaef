"""The command line that every job shares: YAML presets, dotted overrides, `--print_config`, exit status."""

import argparse
import dataclasses
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

import jsonargparse

from clism_core.cli import CALLED_JOB, JOBS, PROGRAM
from clism_core.cluster.console import quieten_libraries
from clism_core.training.config import CONFIG_FILE
from clism_core.utils.errors import InputError, input_error_within
from clism_core.utils.fields import with_changed
from clism_core.utils.home import with_home
from clism_core.utils.storage import is_local

ConfigT = TypeVar("ConfigT")

CONFIGS = JOBS / "configs"
PYTHON = os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(Path.cwd()) else "python"
"""How a user calls this Python again: its path where it is one of the project's, which may not be activated."""
EXIT_DONE, EXIT_BAD_INPUT = 0, 2  # and 1 for any other failure, as Python does

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)


class Shortcut(NamedTuple):
    """An option that prints something and ends the job, as `--help` does; other options are then not needed."""

    name: str
    help: str
    text: Callable[[str], str]
    """Returns what to print, given the option's argument; raises `InputError`."""


class _PrintAndExit(argparse.Action):
    def __init__(self, *, text: Callable[[str], str], **options: Any) -> None:
        super().__init__(**options)
        self._text = text

    def __call__(self, parser: argparse.ArgumentParser, _: Any, values: Any, __: Any = None) -> None:
        try:
            print(self._text(values))
        except InputError as error:
            parser.exit(EXIT_BAD_INPUT, f"error: {error}\n")
        parser.exit(EXIT_DONE)


def job_command(job: str) -> str:
    """Return the command that starts `job`, called as the running job was: `clism JOB` or `python jobs/JOB.py`."""
    return f"{PROGRAM} {job}" if CALLED_JOB.get() else f"{PYTHON} jobs/{job}.py"


def preset_path(name: str) -> str:
    """Return the path of a preset as a user types it: relative if it is below the current directory."""
    path = CONFIGS / name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def stopped_text(job: str, *, output: str) -> str:
    """Return what a user sees after a stop request of a training or a sweep, and how to go on."""
    again = f"{job_command(job)} --config {output}/{CONFIG_FILE}"
    if not is_local(output):
        again = f"the same command, with --output {output}"
    return f"""
Stopped; what was done is kept in {output}. To go on:
  {again}
"""


def build_parser(
    config_class: type[ConfigT], description: str | None, shortcuts: Sequence[Shortcut] = ()
) -> jsonargparse.ArgumentParser:
    """Return the parser of a job: one option a field of `config_class`, nested ones with dots, and the `shortcuts`."""
    program = f"{PROGRAM} {job}" if (job := CALLED_JOB.get()) else None  # None: the file's name
    parser = jsonargparse.ArgumentParser(prog=program, description=description, allow_abbrev=False)
    parser.add_argument("--config", action="config", help="a YAML preset; options after it override its fields")
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
    """Exit with the status of bad input where a preset gives a group of fields as a single value, as in `loop: 3`.

    jsonargparse finds this on the command line only.
    """
    for name, kind in get_type_hints(config_class).items():
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            continue
        if not isinstance(values[name], jsonargparse.Namespace):
            parser.error(f'Parser key "{prefix}{name}": Expected the fields of a {kind.__name__}. Got: {values[name]}')
        check_groups(parser, kind, values[name], f"{prefix}{name}.")


def with_home_folder(config: ConfigT) -> ConfigT:
    """Return a configuration with the home folder for `$CLISM_HOME` at the start of its paths."""
    return with_changed(config, lambda field: with_home(field.value) if isinstance(field.value, str) else field.value)


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

    Without any argument, `default_preset` (a file of `jobs/configs`) is used where there is one. Exit status:
    0 done, 2 bad configuration or input (argparse exits with it, too), wherever on the cluster it was found; any
    other failure propagates as an exception, with which Python exits as 1.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given and default_preset is not None:
        given = ["--config", str(CONFIGS / default_preset)]
    parser = build_parser(config_class, description, shortcuts)
    values = parser.parse_args(given)
    del values["config"]
    check_groups(parser, config_class, values)
    config = parser.instantiate(values)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("clism_core").setLevel(logging.INFO)
    quieten_libraries()
    try:
        main(with_home_folder(config_class(**vars(config))))
    except Exception as error:
        input_error = input_error_within(error)
        if input_error is None:
            raise
        print(f"error: {input_error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return EXIT_DONE
