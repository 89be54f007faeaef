"""From the trials of a sweep to what others use: tables, plots, the best preset, the best model in the registry."""

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clism_core.errors import InputError
from clism_core.storage import download_folder, exists, join, read_bytes, write_bytes
from clism_core.tracking.plots import png
from clism_core.tracking.registry import register_encoder, register_task_model
from clism_core.tracking.run import TrackedRun
from clism_core.training.delivered import RESULT_FILE, Delivered, read_delivered
from clism_core.training.settings import dump_config
from clism_core.tuning.config import TuneConfig, trial_configs
from clism_core.tuning.plots import sweep_figures
from clism_core.tuning.progress import describe
from clism_core.tuning.results import TrialResult, csv_text, markdown
from clism_core.tuning.trial import OBJECTIVE, Sweep, with_reported_evaluations

TABLE, CSV = "trials.md", "trials.csv"


@dataclass(frozen=True)
class Swept:
    """A finished sweep."""

    trials: int
    failed: list[str]
    """Why trials failed, one line each."""
    best: str
    """The best trial's searched fields."""
    objective: float
    presets: list[str]
    """YAML files that the jobs take as they are."""
    models: list[str]
    """The best model, in the registry where it was registered, else its folder; of a joint trial the encoder, too."""
    table: str
    """All trials, as Markdown."""
    tracking_uri: str
    run_id: str


def deliver_sweep(config: TuneConfig, sweep: Sweep, rows: Sequence[TrialResult]) -> Swept:
    """Write and log tables and plots, register the best model and write its preset, and note that all is done.

    Raises:
        InputError: if no trial is finished.
    """
    run = sweep.parent
    table = markdown(rows)
    for name, text in {TABLE: table, CSV: csv_text(rows)}.items():
        write_bytes(join(config.output, name), text.encode())
        run.client.log_text(run.run_id, text, name)
    failed = [f"{row.trial_id} ({describe(row.parameters)}): {row.error}" for row in rows if row.status == "failed"]
    if not rows or rows[0].status != "finished":
        reasons = "\n".join(failed)
        raise InputError(f"no trial of the sweep in {config.output} is finished\n{reasons}".strip())
    best = rows[0]
    assert best.objective is not None
    models = _models(config, sweep, best)
    swept = Swept(
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
    run.log_metrics({OBJECTIVE: best.objective, "trials": len(rows), "failed_trials": len(failed)}, step=0)
    run.set_tags({"clism.best_trial": best.trial_id, "clism.best_run": best.run_id})
    write_bytes(join(config.output, RESULT_FILE), json.dumps(dataclasses.asdict(swept), indent=2).encode())
    return swept


def swept_before(output: str) -> Swept | None:
    """Return what a finished sweep has noted in its output folder; None where none is finished."""
    file = join(output, RESULT_FILE)
    return Swept(**json.loads(read_bytes(file))) if exists(file) else None


def _models(config: TuneConfig, sweep: Sweep, best: TrialResult) -> dict[str, str]:
    """Return the names of the best trial's models by the jobs that made them; they are registered if that is wanted."""
    models = {}
    for job, folder in sweep.run_folders(best.trial_id).items():
        delivered = read_delivered(folder)
        assert delivered is not None
        if config.register and not delivered.registry_uri:
            delivered = _register(job, delivered, task=getattr(sweep.bases[job], "task", None))
            delivered.write(folder)
        models[job] = delivered.registry_uri or delivered.model
    return models


def _register(job: str, delivered: Delivered, *, task: Any) -> Delivered:
    run = TrackedRun(delivered.tracking_uri, delivered.run_id)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        download_folder(delivered.model, folder)
        if job == "pretrain":
            version = register_encoder(run, folder, step=delivered.step, metrics=delivered.metrics)
        else:
            version = register_task_model(run, folder, task=task, step=delivered.step, metrics=delivered.metrics)
    return dataclasses.replace(delivered, registry_uri=version.uri)


def _write_presets(config: TuneConfig, sweep: Sweep, best: TrialResult, models: dict[str, str]) -> list[str]:
    """Write `best-JOB.yaml` for each job of the best trial: its whole configuration, with a new output folder."""
    files = []
    for job, found in trial_configs(sweep.bases, sweep.space, best.parameters).items():
        follows = sweep.space.job == "joint" and job == "finetune"
        preset = dataclasses.replace(
            with_reported_evaluations(found), output="", model=models["pretrain"] if follows else found.model
        )
        file = join(config.output, f"best-{job}.yaml")
        heading = (
            f"# The best of {config.space}'s trials ({best.trial_id}): {describe(best.parameters)}\n"
            f"#   python jobs/{job}.py --config {file}\n"
        )
        text = heading + dump_config(preset)
        write_bytes(file, text.encode())
        sweep.parent.client.log_text(sweep.parent.run_id, text, f"best-{job}.yaml")
        files.append(file)
    return files
