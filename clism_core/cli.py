"""The command `clism`: one subcommand per file of `jobs/`, with the same code, options and exit status.

Imports no job and no heavy library, so that `clism --help` is fast.
"""

import argparse
import ast
import importlib.metadata
import runpy
import sys
from contextvars import ContextVar
from pathlib import Path

PROGRAM = "clism"
CALLED_JOB: ContextVar[str | None] = ContextVar("CALLED_JOB", default=None)
"""Name of the job that `clism` runs in this process; None if a job file was called directly."""
_ROOT = Path(__file__).parents[1]
JOBS = _ROOT / ("clism_jobs" if (_ROOT / "clism_jobs").is_dir() else "jobs")
"""Folder of the job files: `clism_jobs` in the wheel, `jobs` in a checkout."""


def main() -> None:
    """Run the job named by the first argument. The job parses the other arguments and exits with its own status."""
    jobs = {file.stem: file for file in sorted(JOBS.glob("*.py"))}
    job = _parser(jobs).parse_args(sys.argv[1:2]).job
    CALLED_JOB.set(job)
    del sys.argv[1]
    runpy.run_path(str(jobs[job]), run_name="__main__")


def _parser(jobs: dict[str, Path]) -> argparse.ArgumentParser:
    listed = "\n".join(f"  {job:<10}{_summary(file)}" for job, file in jobs.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} JOB [options]",
        description="Cross-lingual pre-training and fine-tuning on Ray.",
        epilog=f"jobs:\n{listed}\n\npresets for --config:\n  {JOBS / 'configs'}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("job", choices=jobs, metavar="JOB", help=f"one of the jobs below; see {PROGRAM} JOB --help")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {importlib.metadata.version('clism')}")
    return parser


def _summary(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
