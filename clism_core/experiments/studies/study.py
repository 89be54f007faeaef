"""Execution of a study, from its configuration to its tables and figures."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from clism_core.evaluation.datasets import read_test_sets
from clism_core.experiments.studies.artefacts import Table
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import load_study
from clism_core.experiments.studies.execution import run_stages
from clism_core.experiments.studies.plan import StudyPlan
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain, chain_stages
from clism_core.experiments.studies.run_records import FinishedRun
from clism_core.pretraining.config import PretrainConfig, data_set_configs
from clism_core.pretraining.mixture import check_existing
from clism_core.tasks.finetuning.data import load_data
from clism_core.tracking.lifecycle import send_unsent
from clism_core.tracking.run import TrackedRun
from clism_core.utils.errors import InputError
from clism_core.utils.storage import join, upload_folder
from clism_core.utils.text import describe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyResult:
    """Result of a study."""

    files: list[str]
    """Paths of the tables and figures."""
    tables: list[str]
    """Tables in Markdown."""
    failed: list[str]
    """Failed runs with their reasons, one line each."""
    stopped: bool
    """Whether a signal stopped it before the end."""
    runs: int
    """Number of runs of the study, finished or not."""
    tracking_uri: str
    run_id: str


def check_data(config: StudyConfig) -> None:
    """Read all labelled data of a study, and compare prepared data with their manifests.

    Problems are found before any run starts, and not hours later.

    Args:
        config: study with absolute paths.

    Raises:
        InputError: with all problems, one per line.
    """
    chains = load_study(config.name).chains(config)
    readers: list[Callable[[], Any]] = []
    if any(isinstance(chain.encoder, PretrainConfig) for chain in chains):
        readers.append(partial(check_existing, data_set_configs(config.pretrain)))
    problems = _problems("pretrain", readers)
    for task in config.tasks:
        own = [chain for chain in chains if chain.labels["task"] == task]
        readers = []
        if own:
            most = max((chain.finetune.examples or 0) for chain in own) or None  # the largest few-shot sample
            readers.append(partial(load_data, replace(config.finetuning(task), examples=most)))
        if any(chain.evaluate for chain in own):
            tests = config.evaluation(task).tests
            groups = [*([test] for test in tests), tests]  # each alone, then all, to find conflicts between them
            readers += [partial(read_test_sets, group, config.finetuning(task).task_options) for group in groups]
        problems += _problems(task, readers)
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))


def _problems(part: str, readers: Iterable[Callable[[], Any]]) -> list[str]:
    """Return the problems that readers of the data of a part of the study find."""
    problems = []
    for read in readers:
        try:
            read()
        except InputError as error:
            problems += [f"{part}: {line}" for line in str(error).splitlines()]
    return problems


def run_study(config: StudyConfig, plan: StudyPlan, run: TrackedRun, *, concurrency: int) -> StudyResult:
    """Execute the missing runs of a study on the cluster, then write and log its tables and figures.

    Args:
        config: study with absolute paths and pinned versions of models.
        plan: plan of the study.
        run: MLflow run of the study, the parent of its runs.
        concurrency: number of concurrent runs.

    Raises:
        InputError: if the runs are not found in MLflow, or there is nothing to show of them.
        TrackingUnavailableError: if the tracking server is unreachable.
    """
    chains, stages = plan.chains, plan.stages
    runs = run_stages(plan, config, parent=run, concurrency=concurrency)
    failed = [f"{name} ({describe(stages[name].labels)}): {why}" for name, why in runs.failed.items()]
    files: list[str] = []
    tables: list[str] = []
    send_unsent(config.output, recursive=True)  # also the points of its runs, from which tables are made
    if not runs.stopped and any(_is_finished(chain, runs.finished) for chain in chains):
        measured = Results(chains, runs.finished, config.output, run.tracking_uri)
        files, tables = _write_artefacts(config, measured, run, is_complete=not failed)
    run.log_summary({"runs": len(stages), "failed_runs": len(failed)})
    if not (files or failed or runs.stopped):
        raise InputError(f"--name {config.name}: the study has no runs; add encoders, tasks or seeds")
    return StudyResult(files, tables, failed, runs.stopped, len(stages), run.tracking_uri, run.run_id)


def _is_finished(chain: Chain, finished: Mapping[str, FinishedRun]) -> bool:
    return all(stage.name in finished for stage in chain_stages(chain).values())


def _write_artefacts(
    config: StudyConfig, measured: Results, run: TrackedRun, *, is_complete: bool
) -> tuple[list[str], list[str]]:
    """Write and log the tables and figures; return their paths, and the tables in Markdown.

    Raises:
        InputError: if all runs are finished (`is_complete`), and a table has no result.
    """
    logger.info("writing tables and figures")
    measured.check_test_sets()
    artefacts = load_study(config.name).artefacts(config, measured)
    if is_complete and (empty := [each.name for each in artefacts if isinstance(each, Table) and each.is_empty]):
        raise InputError(
            f"--name {config.name}: the runs have no results for the tables {', '.join(empty)}; check the test sets "
            "and the evaluation steps of the study"
        )
    folder = join(config.output, config.name)
    with tempfile.TemporaryDirectory() as temporary:
        names = [file.name for artefact in artefacts for file in artefact.write(Path(temporary))]
        upload_folder(Path(temporary), folder)
        run.client.log_artifacts(run.run_id, temporary)
    return [join(folder, name) for name in names], [each.markdown() for each in artefacts if isinstance(each, Table)]
