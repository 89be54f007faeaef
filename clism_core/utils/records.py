"""Records of finished work: dataclasses in JSON files, checked when they are read."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from clism_core.utils.storage import RESTORE, damaged, read_json

RecordT = TypeVar("RecordT")


def read_record(path: str, kind: type[RecordT], *, advice: str = RESTORE) -> RecordT:
    """Return the record of class `kind`, a dataclass or another type with fields, in the JSON file at `path`.

    Raises:
        FileNotFoundError: if it does not exist.
        InputError: if it is damaged, or fields are missing or have other types; with `advice`.
    """
    content = read_json(path, advice=advice)
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, each['loc']))}: {each['msg'].lower()}" for each in error.errors())
        raise damaged(path, ", ".join(problems), advice=advice) from error
