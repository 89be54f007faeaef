"""A study from its configuration to its tables and figures."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from clism_core.evaluation.datasets import read_test_sets
from clism_core.experiments.studies.artefacts import Table
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import load_study
from clism_core.experiments.studies.execution import run_stages
from clism_core.experiments.studies.plan import StudyPlan
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain, chain_stages
from clism_core.experiments.studies.run_records import Finished
from clism_core.tasks.finetuning.data import load_data
from clism_core.tracking.run import TrackedRun
from clism_core.utils.errors import InputError
from clism_core.utils.storage import is_local, join, upload_folder
from clism_core.utils.text import describe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyResult:
    """What a study has come to."""

    files: list[str]
    """Its tables and figures."""
    tables: list[str]
    """The tables as Markdown."""
    failed: list[str]
    """Runs that have failed, and why, one line each."""
    stopped: bool
    """Whether it was stopped before its end."""
    runs: int
    """How many it consists of."""
    tracking_uri: str
    run_id: str


def check_labelled_data(config: StudyConfig) -> None:
    """Read all labelled data that the study needs, which its runs would else find wrong one by one, hours later.

    Args:
        config: with absolute paths.

    Raises:
        InputError: with all that is wrong, one a line.
    """
    chains = load_study(config.name).chains(config)
    found = []
    for task in config.tasks:
        own = [chain for chain in chains if chain.labels["task"] == task]
        readers: list[Callable[[], Any]] = []
        if own:
            readers.append(partial(load_data, config.finetuning(task)))
        if any(chain.evaluate for chain in own):
            tests = config.evaluation(task).tests
            together = [*([test] for test in tests), tests]  # each by itself, and whether they go together
            readers += [partial(read_test_sets, some, config.finetuning(task).task_options) for some in together]
        for read in readers:
            try:
                read()
            except InputError as error:
                found += [f"{task}: {line}" for line in str(error).splitlines()]
    if found:
        raise InputError("\n".join(dict.fromkeys(found)))


@contextmanager
def exclusive(output: str) -> Iterator[None]:
    """Keep a second study on this machine out of the folder `output`; a bucket cannot be locked.

    Raises:
        InputError: if another study is running there.
    """
    if not is_local(output):
        yield
        return
    Path(output).mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(Path(output) / "study.lock").acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"--output {output}: another study is running there, and studies of one folder share their runs; wait for "
            "its end, or give another folder"
        ) from error
    with lock:
        yield


def run_study(config: StudyConfig, plan: StudyPlan, run: TrackedRun, *, concurrency: int) -> StudyResult:
    """Run what is missing of a study on the cluster, and write and log its tables and figures.

    Args:
        config: with absolute paths and pinned versions of models.
        plan: of `plan_study`.
        run: the MLflow run that the study's runs belong to.
        concurrency: of `study_concurrency`.

    Raises:
        InputError: if MLflow does not know the runs.
    """
    chains, stages = plan.chains, plan.stages
    runs = run_stages(plan, config, parent=run, concurrency=concurrency)
    failed = [f"{name} ({describe(stages[name].labels)}): {why}" for name, why in runs.failed.items()]
    files: list[str] = []
    tables: list[str] = []
    if not runs.stopped and any(_is_finished(chain, runs.finished) for chain in chains):
        measured = Results(chains, runs.finished, config.output, run.tracking_uri)
        files, tables = _write_artefacts(config, measured, run)
    run.log_metrics({"runs": len(stages), "failed_runs": len(failed)}, step=0)
    return StudyResult(files, tables, failed, runs.stopped, len(stages), run.tracking_uri, run.run_id)


def _is_finished(chain: Chain, finished: Mapping[str, Finished]) -> bool:
    return all(stage.name in finished for stage in chain_stages(chain).values())


def _write_artefacts(config: StudyConfig, measured: Results, run: TrackedRun) -> tuple[list[str], list[str]]:
    """Write the tables and figures into the study's folder, and log them; return their files and the tables' texts."""
    logger.info("making tables and figures")
    measured.check_test_sets()
    artefacts = load_study(config.name).artefacts(config, measured)
    folder = join(config.output, config.name)
    with tempfile.TemporaryDirectory() as temporary:
        names = [file.name for artefact in artefacts for file in artefact.write(Path(temporary))]
        upload_folder(Path(temporary), folder)
        run.client.log_artifacts(run.run_id, temporary)
    return [join(folder, name) for name in names], [each.markdown() for each in artefacts if isinstance(each, Table)]
