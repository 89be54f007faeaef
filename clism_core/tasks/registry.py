"""Registry of tasks, each a subpackage of this one. A new task needs an import and a field of `TaskOptions`."""

import dataclasses
from typing import Any, Literal, TypeAlias

from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.task import MRC
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.task import NER
from clism_core.tasks.saved_task import TASK_FILE, TaskConfig, read_config, read_task_name
from clism_core.tasks.task import Task
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

AnyTask: TypeAlias = Task[Any, Any, Any]


@dataclasses.dataclass(kw_only=True)
class TaskOptions:
    """Options of every task, in a field with the task's name."""

    mrc: MrcConfig = dataclasses.field(default_factory=MrcConfig, metadata={"task": MRC})
    """Input and output options of question answering."""
    ner: NerConfig = dataclasses.field(default_factory=NerConfig, metadata={"task": NER})
    """Input and output options of named entity recognition."""


TASKS: dict[str, AnyTask] = {field.name: field.metadata["task"] for field in dataclasses.fields(TaskOptions)}

TaskName: TypeAlias = Literal[tuple(TASKS)]  # type: ignore[valid-type]  # checked at run time, by the command line


def task_of(config: TaskConfig) -> AnyTask:
    """Return the task to which the options belong."""
    return TASKS[config.task]


def read_task(folder: str) -> TaskConfig:
    """Return the options that a task model was saved with; `task_of` returns their task.

    Raises:
        InputError: if the folder does not hold a task model, or holds one saved by another version of the project.
    """
    name = read_task_name(folder)
    if name not in TASKS:
        raise InputError(f"{folder}/{TASK_FILE}: task is {name!r}, but must be one of {listed(TASKS)}")
    options: TaskConfig = read_config(folder, TASKS[name].config_class)
    return options
