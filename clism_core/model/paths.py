"""Paths in configurations: made absolute, and collected to check that all nodes see them."""

from typing import Any, TypeVar

from clism_core.model.resolve import absolute_if_folder, is_folder
from clism_core.utils.fields import Field, Input, ModelRef, Output, PreparedData, walk, with_changed
from clism_core.utils.storage import absolute

ConfigT = TypeVar("ConfigT")


def with_absolute_paths(config: ConfigT) -> ConfigT:
    """Return the configuration with paths that mean the same in another working folder, as that of Ray's workers.

    Empty paths and names of models that are not folders stay as they are.
    """
    return with_changed(config, _absolute)


def _absolute(field: Field) -> Any:
    if not isinstance(field.value, str) or not field.value:
        return field.value
    if field.is_marked(ModelRef):
        return absolute_if_folder(field.value)
    return absolute(field.value) if field.is_marked(Input, Output) else field.value


def shared_inputs(*configs: Any) -> list[str]:
    """Return the folders of this machine, each once, that every node has to see: models and prepared data."""
    fields = (field for config in configs for field in walk(config) if field.is_marked(ModelRef, PreparedData))
    return list(
        dict.fromkeys(field.value for field in fields if isinstance(field.value, str) and is_folder(field.value))
    )
