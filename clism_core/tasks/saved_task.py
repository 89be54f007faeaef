"""The note beside a task model that says which task it is for, and how its inputs are made."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clism_core.tasks.task import MrcConfig, NerConfig, TaskConfig, TaskName
from clism_core.utils.errors import InputError

TASK_FILE = "task.json"
_CONFIGS: Mapping[TaskName, type[MrcConfig] | type[NerConfig]] = {"mrc": MrcConfig, "ner": NerConfig}


def task_of(config: TaskConfig) -> TaskName:
    """Return the name of the task that `config` is of."""
    return next(name for name, kind in _CONFIGS.items() if isinstance(config, kind))


def write_task(folder: Path, config: TaskConfig) -> None:
    """Write `task.json` into the folder of a model."""
    content = {"task": task_of(config), **dataclasses.asdict(config)}
    (folder / TASK_FILE).write_text(json.dumps(content, indent=2) + "\n")


def read_task(folder: str) -> TaskConfig:
    """Return what `write_task` has written; its type says which task it is.

    Raises:
        InputError: if the folder holds no task model, or one of another version.
    """
    file = Path(folder) / TASK_FILE
    if not file.is_file():
        raise InputError(
            f"{folder}: no model of a task ({TASK_FILE} is missing); give one that jobs/finetune.py has made, such as "
            "models:/clism-mrc@champion"
        )
    content: dict[str, Any] = json.loads(file.read_text())
    task = content.pop("task", None)
    if task not in _CONFIGS:
        raise InputError(f"{file}: task is {task!r}, but must be one of {', '.join(_CONFIGS)}")
    try:
        return _CONFIGS[task](**content)
    except TypeError as error:
        raise InputError(f"{file}: made by another version of this project: {error}") from error
