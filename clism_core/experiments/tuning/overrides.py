"""Overrides of nested configuration fields by dotted names, as on the command line."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from clism_core.utils.credentials import check_no_credentials
from clism_core.utils.errors import InputError

ConfigT = TypeVar("ConfigT")


def field_types(kind: type[Any], prefix: str = "") -> dict[str, Any]:
    """Return the type of each field by its dotted name; nested dataclasses are expanded and not listed themselves."""
    types: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        nested = isinstance(hint, type) and dataclasses.is_dataclass(hint)
        types |= field_types(hint, f"{prefix}{name}.") if nested else {f"{prefix}{name}": hint}
    return types


def with_fields(config: ConfigT, values: Mapping[str, Any]) -> ConfigT:
    """Return a configuration with some of its fields changed.

    Args:
        config: dataclass with nested dataclasses; not modified.
        values: new values by dotted field name.

    Raises:
        InputError: with all unknown fields and all values of the wrong type, one per line; or if a value contains
            credentials.
    """
    for name, value in values.items():
        check_no_credentials(str(value), title=name)
    types = field_types(type(config))
    problems = [unknown_field(name, types) for name in values if name not in types]
    for name in values.keys() & types.keys():
        try:
            config = _replaced(config, name.split("."), TypeAdapter(types[name]).validate_python(values[name]))
        except ValidationError as error:
            reasons = "; ".join(problem["msg"] for problem in error.errors())
            problems.append(f"{name} {values[name]!r}: {reasons}")
    if problems:
        raise InputError("\n".join(problems))
    return config


def unknown_field(name: str, known: Mapping[str, Any]) -> str:
    """Return a message for an unknown field, with the most similar of the `known` ones."""
    similar = difflib.get_close_matches(name, known, n=1)
    same_name = [other for other in known if other.endswith(f".{name}")]
    suggestions = same_name or similar
    return f"field {name} not found" + (f"; did you mean {suggestions[0]}?" if suggestions else "")


def _replaced(config: Any, path: list[str], value: Any) -> Any:
    name, *rest = path
    inner = _replaced(getattr(config, name), rest, value) if rest else value
    return dataclasses.replace(config, **{name: inner})
