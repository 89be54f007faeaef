"""Study: the paper's tables and figures, each from a grid of runs of the other jobs, with the paper's own numbers.

    python jobs/study.py --name ablation                                (demo scale: generated data, minutes)
    python jobs/study.py --name main --scale paper --dry_run true       (missing runs, time and cost)
    python jobs/study.py --name main --scale paper --output s3://bucket/studies

The same command resumes a study: finished runs are not repeated. Studies in the same output folder share their runs.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import yaml

from clism_core.cluster.connect import connect
from clism_core.command_line import CONFIGS, EXIT_FAILURE, StoppedError, job_command, run_job, show, writing
from clism_core.demo.build import write_missing_inputs
from clism_core.experiments.studies.check import check_study
from clism_core.experiments.studies.config import StudyConfig, resolved
from clism_core.experiments.studies.dry_run import dry_run_text
from clism_core.experiments.studies.plan import plan_study, study_concurrency
from clism_core.experiments.studies.study import StudyResult, check_data, run_study
from clism_core.tracking.lifecycle import tracked_run
from clism_core.tracking.run import ui_command
from clism_core.training.config import CONFIG_FILE, dump_config
from clism_core.training.preflight.check import check_cluster
from clism_core.utils.storage import is_local, join, write_bytes


def main(config: StudyConfig) -> None:
    """Execute the missing runs, write tables and figures, and print their paths and the failed runs."""
    check_study(config)
    study = resolved(config)
    if config.dry_run:
        show(dry_run_text(study, plan_study(study)))
        return
    with writing("study", study.output):
        result = run(study, given=dataclasses.replace(config, output=study.output))
    show(summary(study, result))
    if result.stopped:
        raise StoppedError("study", output=join(study.output, study.name) if is_local(study.output) else study.output)
    if result.failed:
        sys.exit(EXIT_FAILURE)


def run(study: StudyConfig, *, given: StudyConfig) -> StudyResult:
    """Execute the study on the cluster, as an MLflow run; save the configuration as given, to resume from it."""
    connect()
    used = study.without_unused_tasks()
    write_missing_inputs(used)
    folder = join(study.output, study.name)
    trainings = [study.pretrain, *(study.finetuning(task) for task in study.tasks)]
    check_cluster(trainings, output=study.output, configs=[used])
    check_data(study)
    plan = plan_study(study)
    concurrency = study_concurrency(study, plan)
    write_bytes(join(folder, CONFIG_FILE), dump_config(given).encode())
    with tracked_run(job="study", output=folder, config=dataclasses.asdict(study)) as tracked:
        result = run_study(study, plan, tracked, concurrency=concurrency)
        if result.stopped or result.failed:
            tracked.finish("KILLED" if result.stopped else "FAILED")
        return result


def summary(config: StudyConfig, result: StudyResult) -> str:
    """Return the text printed at the end."""
    failed = "".join(f"\n  {line}" for line in result.failed)
    problems = f"\nFailed runs; the same command retries them:{failed}\n" if failed else ""
    tables = "\n".join(result.tables)
    files = "\n".join(f"  {file}" for file in result.files)
    outputs = f"Tables and figures of {result.runs} runs:\n{files}\n" if result.files else ""
    larger = (
        ""
        if config.scale == "paper"
        else f"""
Next, at the scale of the paper:
  {job_command("study")} --name {config.name} --scale paper --dry_run true
"""
    )
    return f"""
{tables}{problems}
{outputs}All runs: {ui_command(result.tracking_uri)}
          (run {result.run_id})
{larger}"""


def with_preset(arguments: list[str]) -> list[str]:
    """Return the command line with the preset of its scale, which may be set in a --config file, prepended."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--scale")
    parser.add_argument("--config", action="append", default=[])
    options, _ = parser.parse_known_args(arguments)
    files = [yaml.safe_load(Path(file).read_text()) for file in options.config if Path(file).is_file()]
    scales = [values["scale"] for values in files if isinstance(values, dict) and "scale" in values]
    scale = options.scale or (scales or ["demo"])[-1]
    preset = CONFIGS / f"study-{scale}.yaml"
    return ["--config", str(preset), *arguments] if preset.exists() else arguments  # the parser reports others


if __name__ == "__main__":
    sys.exit(run_job(StudyConfig, main, description=__doc__, arguments=with_preset(sys.argv[1:])))
