"""Markers in the annotations of configuration fields, and functions that walk over configurations and read them.

    model: Annotated[str, ModelRef()]
    number: Annotated[int, Ge(1)] = 1

A configuration is a dataclass of values, lists, dictionaries and nested dataclasses. The markers of a list or
dictionary apply to each of its entries; in an entry that is a dataclass, the markers of its own fields apply instead.

A module that defines a configuration begins with `from __future__ import annotations`, so that the command line and the
search spaces see the plain types, without markers, and all values out of bounds are reported together.
"""

import dataclasses
import operator
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple, TypeVar, cast, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from clism_core.utils.errors import InputError

ConfigT = TypeVar("ConfigT")


class Marker:
    """Base class of the markers of a field's meaning."""


class Incidental(Marker):
    """A field that does not identify a run: devices, memory, logging, registration, statistics that are computed again
    from its results."""


class Adjustable(Marker):
    """Field that may change when an unfinished run is resumed, although the result depends on it."""


class Output(Incidental):
    """Path to which a run writes."""


class Input(Marker):
    """Path or name of an input of a run; the result depends on its content, not on its location."""


class ModelRef(Input):
    """Model: a hub id, a folder, or a name in the MLflow registry. Every node reads it."""


class PreparedData(Input):
    """Folder of prepared data. Every node reads it."""


class LabelledFiles(Input):
    """File, folder or glob of labelled data or test data. Only the driver reads it."""


class RowsFile(Input):
    """File of rows to predict, which the nodes that run inference read."""


Markers = tuple[Any, ...]


class Field(NamedTuple):
    """Field of a configuration, or entry of a list or dictionary in it."""

    name: str
    """Dotted name, as on the command line; entries have an index or key, as in `tests[0]`."""
    value: Any
    markers: Markers

    def is_marked(self, *kinds: type[Any]) -> bool:
        """Return whether one of the markers is of one of these kinds."""
        return _is_marked(self.markers, kinds)


def walk(config: Any) -> Iterator[Field]:
    """Yield all fields of a configuration and the entries of its lists and dictionaries, each before its parts."""
    for name, markers in _markers(type(config)).items():
        yield from _walk(Field(name, getattr(config, name), markers))


def _walk(field: Field) -> Iterator[Field]:
    yield field
    if dataclasses.is_dataclass(field.value):
        for inner in walk(field.value):
            yield inner._replace(name=f"{field.name}.{inner.name}")
    elif isinstance(field.value, list | tuple | dict):
        entries = field.value.items() if isinstance(field.value, dict) else enumerate(field.value)
        for key, value in entries:
            yield from _walk(field._replace(name=f"{field.name}[{key}]", value=value))


def with_changed(config: ConfigT, change: Callable[[Field], Any]) -> ConfigT:
    """Return the configuration with `change` applied to all values except dataclasses, lists and dictionaries."""
    values = {
        name: _changed(Field(name, getattr(config, name), markers), change)
        for name, markers in _markers(type(config)).items()
    }
    return cast(ConfigT, dataclasses.replace(cast(Any, config), **values))


def _changed(field: Field, change: Callable[[Field], Any]) -> Any:
    value = field.value
    if dataclasses.is_dataclass(value):
        return with_changed(value, change)
    if isinstance(value, dict):
        return {key: _changed(field._replace(value=entry), change) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_changed(field._replace(value=entry), change) for entry in value)
    return change(field)


def without_fields(config: Any, *kinds: type[Marker]) -> dict[str, Any]:
    """Return the configuration as nested dictionaries, like `dataclasses.asdict`, without fields of these kinds."""
    return {
        name: _plain(getattr(config, name), kinds)
        for name, markers in _markers(type(config)).items()
        if not _is_marked(markers, kinds)
    }


def _plain(value: Any, kinds: tuple[type[Marker], ...]) -> Any:
    if dataclasses.is_dataclass(value):
        return without_fields(value, *kinds)
    if isinstance(value, dict):
        return {key: _plain(entry, kinds) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(entry, kinds) for entry in value)
    return value


_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
"""Comparison operators in words; markers of `annotated_types` have an attribute with the operator's name."""


def bound_problems(config: Any, *, skip: Collection[str] = ()) -> Iterator[str]:
    """Yield the numbers of a configuration that are out of bounds, one sentence each; None is within all bounds.

    Args:
        config: a dataclass with `Ge`, `Gt`, `Le` and `Lt` of `annotated_types` as markers.
        skip: names of fields that are not checked, with all fields below them.
    """
    for field in walk(config):
        if not isinstance(field.value, int | float) or field.name.split(".")[0] in skip:
            continue
        bounds = {
            name: getattr(marker, name)
            for marker in field.markers
            if isinstance(marker, Ge | Gt | Le | Lt)
            for name in [type(marker).__name__.lower()]
        }
        if not all(getattr(operator, name)(field.value, bound) for name, bound in bounds.items()):
            allowed = " and ".join(f"{_BOUNDS[name]} {bound:g}" for name, bound in bounds.items())
            yield f"--{field.name} {field.value}: must be {allowed}"


def check_bounds(config: Any) -> None:
    """Check the bounds of all fields.

    Raises:
        InputError: with all problems, one per line.
    """
    if problems := list(bound_problems(config)):
        raise InputError("\n".join(problems))


def _is_marked(markers: Markers, kinds: tuple[type[Any], ...]) -> bool:
    return any(isinstance(marker, kinds) for marker in markers)


def _markers(kind: type[Any]) -> dict[str, Markers]:
    """Return the markers of the fields of a dataclass by their names."""
    hints = get_type_hints(kind, include_extras=True)
    return {entry.name: getattr(hints[entry.name], "__metadata__", ()) for entry in dataclasses.fields(kind)}
