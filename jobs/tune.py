"""Tune: a search space -> trials of pre-training or fine-tuning, by Ray Tune -> the best preset and model.

    python jobs/tune.py --config jobs/configs/demo-tune.yaml             (loss weights, on the demo's model and data)
    python jobs/tune.py --space temperature --pretrain jobs/configs/short.yaml \\
        --pretrain.model xlm-roberta-base --pretrain.data prepared --output sweeps/temperature
    python jobs/tune.py --space my_space.py --searcher grid --finetune jobs/configs/paper-mrc.yaml \\
        --finetune.model models:/clism-encoder@candidate --finetune.train squad/train-v1.1.json \\
        --finetune.dev squad/dev-v1.1.json

Spaces: modules of tune_spaces/, or your own Python file. The same command with the same --output resumes a stopped
sweep; finished trials are not repeated.
"""

import dataclasses
import logging
import sys

from clism_core.cluster.connect import connect
from clism_core.command_line import StoppedError, job_command, run_job, show, writing
from clism_core.demo.build import write_missing_inputs
from clism_core.experiments.tuning.config import TuneConfig, check_sweep, with_pinned_models
from clism_core.experiments.tuning.export import SweepResult, export_sweep, find_finished_sweep, reopen
from clism_core.experiments.tuning.space import Space
from clism_core.experiments.tuning.sweep import (
    check_resumable,
    check_same_sweep,
    identify_sweep,
    run_sweep,
    trial_concurrency,
)
from clism_core.experiments.tuning.trial import Sweep
from clism_core.model.paths import with_absolute_paths
from clism_core.pretraining.config import data_set_configs
from clism_core.pretraining.mixture import check_existing
from clism_core.tasks.finetuning.data import check_sources
from clism_core.tracking.lifecycle import end_lost_run, tracked_run
from clism_core.tracking.run import ui_command
from clism_core.training.preflight.check import check_cluster
from clism_core.utils.home import default_output
from clism_core.utils.storage import is_local
from tune_spaces import load_space

logger = logging.getLogger(__name__)


def main(config: TuneConfig) -> None:
    """Search, export the best model, and print the result, its place and the next command."""
    space = load_space(config.space)
    check_sweep(config, space)
    config = with_absolute_paths(dataclasses.replace(config, output=config.output or default_output("tune")))
    config = config.resolved(space)
    check_same_sweep(config, space)
    result = find_finished_sweep(config, space)
    if result is None:
        with writing("tune", config.output):
            result = search(with_pinned_models(config, space), space)
    else:
        end_lost_run(config.output, "FINISHED")
    show(summary(result))


def search(config: TuneConfig, space: Space) -> SweepResult:
    """Run the trials on the cluster, as an MLflow run, and export the best one."""
    connect()
    bases = config.bases(space)
    for job, base in bases.items():
        write_missing_inputs(base)
        if base.loop.evaluate_at:
            logger.warning(
                "--%s.loop.evaluate_at is ignored: trials report evaluations every %d steps (evaluate_every)",
                *(job, base.loop.evaluate_every),
            )
    if "pretrain" in bases:
        check_existing(data_set_configs(bases["pretrain"]))
    if "finetune" in bases:
        check_sources(bases["finetune"])
    # Labelled files are read by the processes of trials, which run on this node.
    check_cluster(list(bases.values()), output=config.output)
    concurrency = trial_concurrency(config, space)
    identity = identify_sweep(config, space)
    check_resumable(config.output)
    reopen(config.output)  # after all checks, because it deletes the result of a finished sweep
    with tracked_run(job="tune", output=config.output, config=dataclasses.asdict(config)) as tracked:
        sweep = Sweep(space=space, bases=bases, output=config.output, parent=tracked)
        finished, trials = run_sweep(config, sweep, identity=identity, concurrency=concurrency)
        if not finished:
            tracked.finish("KILLED")
            raise StoppedError("tune", output=config.output)
        return export_sweep(config, sweep, trials)


def summary(result: SweepResult) -> str:
    """Return the text printed at the end."""
    failed = "".join(f"\n  {line}" for line in result.failed)
    problems = f"\nFailed trials:{failed}\n" if failed else ""
    commands = "\n".join(f"  {command(file)}" for file in result.presets)
    return f"""
{result.table}{problems}
Best of {result.trials} trials: {result.best}; objective {result.objective:.4f}
Model:            {", ".join(result.models)}
Plots and tables: {ui_command(result.tracking_uri)}
                  (run {result.run_id})
Next, with the best settings:
{commands}
"""


def command(preset: str) -> str:
    """Return the command that runs the job of a preset."""
    job = preset.rsplit("best-", 1)[1].removesuffix(".yaml")
    if is_local(preset):
        return f"{job_command(job)} --config {preset}"
    name = preset.rsplit("/", 1)[1]
    return f"{job_command(job)} --config {name}, after copying {preset} here"


if __name__ == "__main__":
    sys.exit(run_job(TuneConfig, main, description=__doc__))
