"""Check of a study's configuration."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from clism_core.evaluation.config import test_problems
from clism_core.experiments.studies.config import TASKS, StudyConfig
from clism_core.experiments.studies.definition import Study, load_study
from clism_core.pretraining.training import PRETRAINING
from clism_core.tasks.finetuning.training import FINETUNING
from clism_core.training.training import Training
from clism_core.utils.errors import InputError
from clism_core.utils.fields import bound_problems


def check_study(config: StudyConfig) -> None:
    """Check a study without reading data or models.

    Raises:
        InputError: with all problems, one per line.
    """
    study = load_study(config.name)
    problems = [*bound_problems(config, skip=("pretrain", *TASKS)), *_own_problems(config, study)]
    some_model = "given by the study"
    bases: dict[str, tuple[Training[Any, Any], Any]] = {"pretrain": (PRETRAINING, config.pretrain)}
    bases |= {task: (FINETUNING, config.finetuning(task)) for task in config.tasks}
    for name, (training, base) in bases.items():
        complete = dataclasses.replace(base, model=some_model)
        problems += _prefixed_problems(f"--{name}.", lambda: training.check(complete))  # noqa: B023
    if study.uses_test_sets:
        for task in config.tasks:
            problems += test_problems(getattr(config, f"{task}_tests"), field=f"{task}_tests")
    if problems:
        raise InputError("\n".join(problems))


def _prefixed_problems(prefix: str, check: Callable[[], None]) -> list[str]:
    """Return the problems that a job's own check reports, with `prefix` before its field names."""
    try:
        check()
    except InputError as error:
        return [line.replace("--", prefix, 1) for line in str(error).splitlines()]
    return []


def _own_problems(config: StudyConfig, study: Study) -> Iterator[str]:
    unknown = sorted(set(config.ours.values()) - config.encoders.keys())
    problems = {
        "--encoders: empty; name at least one encoder": not config.encoders,
        "--ours: empty; name at least one encoder to pre-train further": not config.ours,
        f"--ours: base encoder {', '.join(unknown)} not found in --encoders": bool(unknown),
        "--ours: shares a name with --encoders; use distinct names": not config.ours.keys().isdisjoint(config.encoders),
        "--tasks: empty, or names a task twice": not config.tasks or len(set(config.tasks)) < len(config.tasks),
        f"--tasks: {config.name} needs {' and '.join(study.tasks)}": not set(study.tasks) <= set(config.tasks),
    }
    datasets = [{test.dataset for test in config.evaluation(task).tests} for task in config.tasks]
    shared = sorted(name for name in set[str]().union(*datasets) if sum(name in names for names in datasets) > 1)
    problems[f"--tasks: {', '.join(shared)} names test sets of several tasks; use distinct names"] = bool(shared)
    lists = ("seeds", "examples", "samples", "temperatures", "pretraining_samples", "curve_steps")
    for name in lists:
        values = getattr(config, name)
        problems[f"--{name}: contains a duplicate value"] = len(set(values)) < len(values)
        problems[f"--{name}: empty, but required by {config.name}"] = not values and name in study.lists
    problems |= {
        f"--{task}.task {config.finetuning(task).task}: must be {TASKS[task]}": config.finetuning(task).task
        != TASKS[task]
        for task in config.tasks
    }
    yield from (problem for problem, applies in problems.items() if applies)
