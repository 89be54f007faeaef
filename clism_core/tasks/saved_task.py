"""`task.json` in the folder of a task model: its task and the options that its inputs were encoded with."""

import dataclasses
import json
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from clism_core.model.weights import find_file
from clism_core.utils import storage
from clism_core.utils.errors import InputError

TASK_FILE = "task.json"


class TaskConfig(Protocol):
    """Options of a task: a dataclass that is saved with the model."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    task: ClassVar[str]
    """Name of the task."""
    use_que: bool
    """Whether inputs contain [QUE]."""
    max_length: int
    """Maximum number of tokens in an input, template tokens included."""


ConfigT = TypeVar("ConfigT", bound=TaskConfig)


def write_task(folder: Path, config: TaskConfig) -> None:
    """Write `task.json` into the folder of a model."""
    content = {"task": config.task, **dataclasses.asdict(config)}
    (folder / TASK_FILE).write_text(json.dumps(content, indent=2) + "\n")


def has_task(folder: str) -> bool:
    """Return whether a folder or hub id holds a task model."""
    return find_file(folder, TASK_FILE) is not None


def read_task_name(folder: str) -> str:
    """Return the name of the task in `task.json`.

    Raises:
        InputError: if the folder or hub id does not hold a task model.
    """
    return str(_read(folder).get("task"))


def read_config(folder: str, config_class: type[ConfigT]) -> ConfigT:
    """Return the options in `task.json`.

    Raises:
        InputError: if the folder does not hold a model of this task, or holds one saved by another version of the
            project.
    """
    content = _read(folder)
    task, expected = content.pop("task", None), config_class.task
    if task != expected:
        raise InputError(
            f"{folder}: the model is for task {task}, not {expected}; give one fine-tuned with --task {expected}"
        )
    try:
        return config_class(**content)
    except TypeError as error:
        raise InputError(f"{Path(folder) / TASK_FILE}: saved by another version of this project: {error}") from error


def _read(folder: str) -> dict[str, Any]:
    file = find_file(folder, TASK_FILE)
    if file is None:
        raise InputError(
            f"{folder}: not a task model ({TASK_FILE} is missing); give a model trained by jobs/finetune.py, such as "
            "models:/clism-mrc@champion"
        )
    return storage.read_json(str(file), advice="give an undamaged model")
