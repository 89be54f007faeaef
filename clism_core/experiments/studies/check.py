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
    """Find what can be found wrong without looking at data or models.

    Raises:
        InputError: with all problems, one a line.
    """
    study = load_study(config.name)
    found = [*bound_problems(config, skip=("pretrain", *TASKS)), *_own_problems(config, study)]
    some_model = "given by the study"
    bases: dict[str, tuple[Training[Any, Any], Any]] = {"pretrain": (PRETRAINING, config.pretrain)}
    bases |= {task: (FINETUNING, config.finetuning(task)) for task in config.tasks}
    for name, (training, base) in bases.items():
        given = dataclasses.replace(base, model=some_model)
        found += _problems(f"--{name}.", lambda: training.check(given))  # noqa: B023
    if study.uses_test_sets:
        for task in config.tasks:
            found += test_problems(getattr(config, f"{task}_tests"), field=f"{task}_tests")
    if found:
        raise InputError("\n".join(found))


def _problems(prefix: str, check: Callable[[], None]) -> list[str]:
    """Return what a job's own check finds, with the names that its fields have here."""
    try:
        check()
    except InputError as error:
        return [line.replace("--", prefix, 1) for line in str(error).splitlines()]
    return []


def _own_problems(config: StudyConfig, study: Study) -> Iterator[str]:
    strangers = sorted(set(config.ours.values()) - config.encoders.keys())
    problems = {
        "--encoders: names no encoder": not config.encoders,
        "--ours: names nothing that is pre-trained": not config.ours,
        f"--ours: begins from {', '.join(strangers)}, which --encoders does not have": bool(strangers),
        "--ours: has a name of --encoders": not config.ours.keys().isdisjoint(config.encoders),
        "--tasks: name at least one, and each once": not config.tasks or len(set(config.tasks)) < len(config.tasks),
        f"--tasks: {config.name} needs {' and '.join(study.tasks)}": not set(study.tasks) <= set(config.tasks),
    }
    datasets = [{test.dataset for test in config.evaluation(task).tests} for task in config.tasks]
    shared = sorted(name for name in set[str]().union(*datasets) if sum(name in names for names in datasets) > 1)
    problems[f"--tasks: {', '.join(shared)} is a data set of several; give each its own name"] = bool(shared)
    lists = ("seeds", "examples", "samples", "temperatures", "pretraining_samples", "curve_steps")
    for name in lists:
        values = getattr(config, name)
        problems[f"--{name}: has a value twice"] = len(set(values)) < len(values)
        problems[f"--{name}: is empty"] = not values and name in study.lists
    problems |= {
        f"--{task}.task {config.finetuning(task).task}: must be {TASKS[task]}": config.finetuning(task).task
        != TASKS[task]
        for task in config.tasks
    }
    yield from (problem for problem, is_so in problems.items() if is_so)
