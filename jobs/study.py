"""Study: the paper's tables and figures, each a grid of the other jobs' runs, beside the paper's own figures.

    python jobs/study.py --name ablation                                (demo scale: generated data, minutes)
    python jobs/study.py --name main --scale paper --dry_run true       (which runs, how long, how much)
    python jobs/study.py --name main --scale paper --output s3://bucket/studies

A study is started again by the same command: what is finished is not repeated, and studies of one output folder share
their runs.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import finetune
import pretrain
import yaml
from filelock import FileLock, Timeout
from finetune import FinetuneJobConfig
from pretrain import DEMO, PretrainJobConfig

from clism_core.cluster.connect import check_shared, connect
from clism_core.command_line import CONFIGS, PYTHON, run_job, stopped_text
from clism_core.demo.build import build_demo, demo_folders
from clism_core.demo.entities import entity_files, write_entities
from clism_core.demo.questions import question_files, write_questions
from clism_core.evaluation.config import with_absolute_paths
from clism_core.experiments.studies.config import TASKS, StudyConfig, check_study
from clism_core.experiments.studies.plan import Planned, estimate_study, plan_study, runs_at_a_time
from clism_core.experiments.studies.study import Studied, check_labelled_data, run_study
from clism_core.model.resolve import absolute_if_folder, is_folder, pin_version
from clism_core.pretraining.config import PretrainConfig, data_set_configs
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.test_data import TestSetConfig
from clism_core.tracking.run import page_command, tracked_run
from clism_core.training.config import CONFIG_FILE, dump_config, plain_config
from clism_core.utils.errors import InputError
from clism_core.utils.home import home, tracking_uri
from clism_core.utils.progress import duration
from clism_core.utils.storage import absolute, is_local, join, write_bytes
from clism_core.utils.text import describe

FAILED = 1


@dataclass
class StudyJobConfig(StudyConfig):
    """A study of the paper. Encoder `demo`, data `demo` and labelled data `demo` are made on the spot, and without test
    sets, theirs are taken."""

    pretrain: PretrainJobConfig = field(default_factory=lambda: PretrainJobConfig(model="", data=""))
    """What all pre-trainings have in common, the demo's sizes among it: a preset, or single fields,
    `--pretrain.data prepared`; the study gives the model, whatever stands there."""
    mrc: FinetuneJobConfig = field(default_factory=lambda: FinetuneJobConfig(task="mrc", model="", train="", dev=""))
    """What all fine-tunings for question answering have in common; the study gives the model."""
    ner: FinetuneJobConfig = field(default_factory=lambda: FinetuneJobConfig(task="ner", model="", train="", dev=""))
    """Likewise for named entities."""
    wikiann: FinetuneJobConfig = field(
        default_factory=lambda: FinetuneJobConfig(task="ner", model="", train="", dev="")
    )
    """Likewise for those of WikiAnn."""


def main(config: StudyJobConfig) -> None:
    """Run what is missing, deliver tables and figures, and say where they are and what has failed."""
    config = dataclasses.replace(config, output=absolute(config.output or str(home() / "studies" / config.scale)))
    study = with_absolute_inputs(config)
    check_study(study)
    if config.dry_run:
        print(dry_run_text(study, plan_study(study)))
        return
    with alone_in(config.output):
        studied = run(config, study)
    own = join(config.output, config.name) if is_local(config.output) else config.output
    stopped = stopped_text("study", output=own) if studied.stopped else ""
    print(summary(config, studied) + stopped)
    if studied.failed:
        sys.exit(FAILED)


@contextmanager
def alone_in(output: str) -> Iterator[None]:
    """Keep two studies of this machine from making the same runs at a time; in a bucket, the user has to."""
    if not is_local(output):
        yield
        return
    Path(output).mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(Path(output) / "study.lock", timeout=0):
            yield
    except Timeout as error:
        raise InputError(
            f"--output {output}: another study is at work there, and studies of one folder share their runs; wait for "
            "its end, or give another folder"
        ) from error


def with_absolute_inputs(config: StudyJobConfig) -> StudyConfig:
    """Return the study with absolute paths, those of the demo's parts among them, and pinned versions of models."""
    encoder, prepared = map(str, demo_folders(demo_folder(config, config.pretrain.demo)))
    named = {field.name: getattr(config, field.name) for field in dataclasses.fields(StudyConfig)}
    named["encoders"] = {
        name: encoder if model == DEMO else pin_version(absolute_if_folder(model))
        for name, model in config.encoders.items()
    }
    pretraining = config.pretrain
    if pretraining.data == DEMO:
        pretraining = dataclasses.replace(pretraining, data=prepared)
    named["pretrain"] = plain_config(pretrain.with_absolute_inputs(pretraining), PretrainConfig)
    for task in TASKS:
        asked: FinetuneJobConfig = getattr(config, task)
        folder = demo_folder(config, asked.demo)
        made: Any = (question_files if task == "mrc" else entity_files)(folder / task)
        train = str(made.train) if asked.train == DEMO else asked.train
        dev = str(made.dev) if asked.dev == DEMO else asked.dev
        given = finetune.with_absolute_inputs(dataclasses.replace(asked, train=train, dev=dev))
        named[task] = plain_config(given, FinetuneConfig)
        tests = getattr(config, f"{task}_tests")
        if asked.train == DEMO and not tests:
            tests = [
                TestSetConfig(dataset=f"{task}-{name}", path=str(folder / task / name))
                for name in ("known-names", "new-names")
            ]
        named[f"{task}_tests"] = with_absolute_paths(tests)
    return StudyConfig(**named)


def run(config: StudyJobConfig, study: StudyConfig) -> Studied:
    """Run the study on the cluster, as an MLflow run."""
    connect()
    folder = join(config.output, config.name)
    models = [model for model in study.encoders.values() if is_folder(model)]
    data = [entry.path for entry in data_set_configs(study.pretrain) if is_folder(entry.path)]
    trainings: list[Any] = [study.pretrain, *(study.finetuning(task) for task in study.tasks)]
    wanted = max((training.workers.resources() for training in trainings), key=lambda each: each["CPU"])
    check_shared(  # labelled files are read here alone, where the runs' own processes are
        output=config.output, inputs=[*models, *data], tracking=tracking_uri(), wanted=wanted
    )
    make_demo(config)
    check_labelled_data(study)
    planned = plan_study(study)
    side_by_side = runs_at_a_time(study, planned)
    write_bytes(join(folder, CONFIG_FILE), dump_config(config).encode())
    with tracked_run(job="study", output=folder, config=dataclasses.asdict(study)) as tracked:
        studied = run_study(study, planned, tracked, side_by_side=side_by_side)
        if studied.stopped or studied.failed:
            tracked.finish("KILLED" if studied.stopped else "FAILED")
        return studied


def demo_folder(config: StudyJobConfig, sizes: Any) -> Path:
    """Return where the demo's parts of these sizes are: runs with others are other runs."""
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(sizes), sort_keys=True).encode()).hexdigest()
    return Path(config.output) / DEMO / digest[:8]


def make_demo(config: StudyJobConfig) -> None:
    """Make the demo's parts that are asked for in the study's folder; what is there is the same."""
    of_pretraining = DEMO in (*config.encoders.values(), config.pretrain.data)
    asked = [task for task in config.tasks if DEMO in (config.finetuning(task).train, config.finetuning(task).dev)]
    if not is_local(config.output) and (of_pretraining or asked):
        raise InputError(f"--output {config.output}: the demo's parts are made in a local folder")
    if of_pretraining:
        build_demo(config.pretrain.demo, demo_folder(config, config.pretrain.demo))
    for task in asked:
        sizes = getattr(config, task).demo
        write: Any = write_questions if task == "mrc" else write_entities
        write(sizes, demo_folder(config, sizes) / task)


def dry_run_text(config: StudyConfig, planned: Planned) -> str:
    """Return which runs are missing, how long they will take and what they will cost."""
    found, cluster, missing = estimate_study(config, planned), config.cluster, planned.missing
    lines = [
        f"  {stage.name:<22} {duration(found.seconds[stage.name]):>11}  {describe(stage.labels)}" for stage in missing
    ]
    needy = f"{len(found.too_large)} of the runs need more than this cluster has, and would wait for ever.\n"
    return f"""
{config.name}: {len(planned.stages)} runs in {config.output}; {len(planned.finished)} are done, {len(missing)} to do:
{chr(10).join(lines)}

On {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs, at most {found.side_by_side} of the largest at a time:
about {duration(found.hours * 3600)} in all and {found.dollars:,.2f} dollars, at {cluster.dollars_per_hour:g} an hour.
{needy if found.too_large else ""}By the rates of --estimate, or what finished runs of the kind took.
"""


def summary(config: StudyConfig, studied: Studied) -> str:
    """Return what the user sees at the end."""
    failed = "".join(f"\n  {line}" for line in studied.failed)
    problems = f"\nFailed runs, which the same command tries again:{failed}\n" if failed else ""
    tables = "\n".join(studied.tables)
    files = "\n".join(f"  {file}" for file in studied.files)
    made = f"Tables and figures of {studied.runs} runs:\n{files}\n" if studied.files else ""
    larger = (
        ""
        if config.scale == "paper"
        else f"""
Next, as the paper ran it:
  {PYTHON} jobs/study.py --name {config.name} --scale paper --dry_run true
"""
    )
    return f"""
{tables}{problems}
{made}All runs: {page_command(studied.tracking_uri)}
          (run {studied.run_id})
{larger}"""


def with_preset(arguments: list[str]) -> list[str]:
    """Return the command line with the preset of its scale, or that of its files, before it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--scale")
    parser.add_argument("--config", action="append", default=[])
    given, _ = parser.parse_known_args(arguments)
    files = [yaml.safe_load(Path(file).read_text()) for file in given.config if Path(file).is_file()]
    scales = [values["scale"] for values in files if isinstance(values, dict) and "scale" in values]
    scale = given.scale or (scales or ["demo"])[-1]
    preset = CONFIGS / f"study-{scale}.yaml"
    return ["--config", str(preset), *arguments] if preset.exists() else arguments  # where not, the field is refused


if __name__ == "__main__":
    sys.exit(run_job(StudyJobConfig, main, description=__doc__, arguments=with_preset(sys.argv[1:])))
