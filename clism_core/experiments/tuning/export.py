"""Export of a finished sweep: tables, plots, the best preset, and the best model in the registry."""

import dataclasses
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clism_core.experiments.trainings import TRAININGS
from clism_core.experiments.tuning.config import TuneConfig, trial_configs
from clism_core.experiments.tuning.plots import sweep_figures
from clism_core.experiments.tuning.results import TrialResult, csv_text, markdown
from clism_core.experiments.tuning.space import Space
from clism_core.experiments.tuning.trial import OBJECTIVE, Sweep, with_reported_evaluations
from clism_core.model.resolve import is_tracked
from clism_core.tracking.lifecycle import send_unsent
from clism_core.tracking.plots import png
from clism_core.tracking.run import TrackedRun
from clism_core.training.config import dump_config
from clism_core.training.export import RESULT_FILE, read_exported
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri
from clism_core.utils.records import read_record
from clism_core.utils.storage import delete, exists, join, write_bytes, write_json
from clism_core.utils.text import describe

TABLE, CSV = "trials.md", "trials.csv"


@dataclass(frozen=True)
class SweepResult:
    """Result of a finished sweep."""

    trials: int
    failed: list[str]
    """Failed trials with their reasons, one line each."""
    best: str
    """Searched fields of the best trial, with their values."""
    objective: float
    presets: list[str]
    """YAML presets of the best trial, one per job."""
    models: list[str]
    """Best model: its registry URI, or its folder if not registered; for a joint trial, the encoder first."""
    table: str
    """Table of all trials in Markdown."""
    tracking_uri: str
    run_id: str


def export_sweep(config: TuneConfig, sweep: Sweep, rows: Sequence[TrialResult]) -> SweepResult:
    """Write and log tables and plots, register the best model, write its preset, and save the result.

    Raises:
        InputError: if no trial finished, all because of their configurations or inputs.
        RuntimeError: if no trial finished, for other reasons.
        TrackingUnavailableError: if the tracking server is unreachable.
    """
    run = sweep.parent
    send_unsent(config.output, recursive=True)  # also the points of its trials
    table = markdown(rows)
    for name, text in {TABLE: table, CSV: csv_text(rows)}.items():
        write_bytes(join(config.output, name), text.encode())
        run.client.log_text(run.run_id, text, name)
    failed = [f"{row.trial_id} ({describe(row.parameters)}): {row.error}" for row in rows if row.status == "failed"]
    if not rows or rows[0].status != "finished":
        reasons = "\n".join(failed)
        error = InputError if rows and all(row.is_input_error for row in rows) else RuntimeError
        raise error(f"no trial of the sweep in {config.output} finished\n{reasons}".strip())
    best = rows[0]
    assert best.objective is not None
    models = {
        job: _model(folder, job, sweep.bases[job], register=config.register)
        for job, folder in sweep.run_folders(best.trial_id).items()
    }
    result = SweepResult(
        trials=len(rows),
        failed=failed,
        best=describe(best.parameters),
        objective=best.objective,
        presets=_write_presets(config, sweep, best, models),
        models=list(models.values()),
        table=table,
        tracking_uri=run.tracking_uri,
        run_id=run.run_id,
    )
    for name, figure in sweep_figures(rows, sweep.space).items():
        write_bytes(join(config.output, f"{name}.png"), png(figure))
        run.log_figure(figure, f"plots/{name}.png")
    run.log_summary({OBJECTIVE: best.objective, "trials": len(rows), "failed_trials": len(failed)})
    run.set_tags({"clism.best_trial": best.trial_id, "clism.best_run": best.run_id})
    return _save_result(result, config.output)


def find_finished_sweep(config: TuneConfig, space: Space) -> SweepResult | None:
    """Return the saved result of a finished sweep, registering its model if not done before; None if the sweep is
    unfinished or failed trials are to be retried."""
    file = join(config.output, RESULT_FILE)
    if not exists(file):
        return None
    result = _read_result(file)
    if config.retry_failed and result.failed:
        return None
    if not config.register or all(map(is_tracked, result.models)):
        return result
    models = [
        model if is_tracked(model) else _model(posixpath.dirname(model), job, base, register=True)
        for model, (job, base) in zip(result.models, config.bases(space).items(), strict=True)
    ]
    return _save_result(dataclasses.replace(result, models=models), config.output)


def reopen(output: str) -> None:
    """Delete the saved result of a sweep, if any, and reopen its MLflow run, so that the sweep can resume."""
    file = join(output, RESULT_FILE)
    if exists(file):
        result = _read_result(file)
        if result.tracking_uri == tracking_uri():
            TrackedRun(result.tracking_uri, result.run_id).reopen()
        delete(file)


def _read_result(file: str) -> SweepResult:
    return read_record(file, SweepResult, advice="delete it, and the same command makes it again from the trials")


def _save_result(result: SweepResult, output: str) -> SweepResult:
    write_json(join(output, RESULT_FILE), dataclasses.asdict(result))
    return result


def _model(folder: str, job: str, base: Any, *, register: bool) -> str:
    """Return the registry URI of a run's model, or its folder if not registered; with `register`, register it first."""
    exported = read_exported(folder)
    assert exported is not None
    if register:
        exported = TRAININGS[job].publish(dataclasses.replace(base, output=folder, register=True), exported)
    return exported.registry_uri or exported.model


def _write_presets(config: TuneConfig, sweep: Sweep, best: TrialResult, models: dict[str, str]) -> list[str]:
    """Write `best-JOB.yaml` for each job of the best trial: its complete configuration, without an output folder."""
    files = []
    for job, job_config in trial_configs(sweep.bases, sweep.space, best.parameters).items():
        follows = sweep.space.job == "joint" and job == "finetune"
        preset = dataclasses.replace(
            with_reported_evaluations(job_config), output="", model=models["pretrain"] if follows else job_config.model
        )
        file = join(config.output, f"best-{job}.yaml")
        heading = f"# Best trial of {config.space} ({best.trial_id}): {describe(best.parameters)}\n"
        text = heading + dump_config(preset)
        write_bytes(file, text.encode())
        sweep.parent.client.log_text(sweep.parent.run_id, text, f"best-{job}.yaml")
        files.append(file)
    return files
