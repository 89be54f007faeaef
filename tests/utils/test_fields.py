"""Walks over configurations by the markers of their fields."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Gt, Lt

from clism_core.utils.fields import (
    Adjustable,
    Field,
    Incidental,
    Input,
    LabelledFiles,
    ModelRef,
    Output,
    bound_problems,
    walk,
    with_changed,
    without_fields,
)


@dataclass(frozen=True)
class Split:
    name: str
    size: Annotated[int, Ge(1)] = 1


@dataclass
class Group:
    share: Annotated[float, Gt(0), Lt(1)] = 0.5
    every: Annotated[int, Adjustable(), Ge(1)] = 10


@dataclass
class Config:
    files: Annotated[str | list[str | Split], LabelledFiles()]
    models: Annotated[dict[str, str], ModelRef()] = field(default_factory=dict)
    output: Annotated[str, Output()] = ""
    limit: Annotated[int | None, Ge(1)] = None
    steps: Annotated[list[int], Ge(1)] = field(default_factory=list)
    betas: tuple[float, float] = (0.9, 0.99)
    group: Group = field(default_factory=Group)
    devices: Annotated[Group, Incidental()] = field(default_factory=Group)


CONFIG = Config(files=["a", Split("b")], models={"X": "x"}, output="o")


def test_fields_and_entries_are_walked_with_dotted_names() -> None:
    values = {entry.name: entry.value for entry in walk(CONFIG)}
    assert values["files"] == ["a", Split("b")]
    assert (values["files[0]"], values["files[1].name"], values["models[X]"]) == ("a", "b", "x")
    assert (values["betas[1]"], values["group.share"], values["devices.every"]) == (0.99, 0.5, 10)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        pytest.param(LabelledFiles, ["files", "files[0]", "files[1]"], id="list, without the fields of its entries"),
        pytest.param(ModelRef, ["models", "models[X]"], id="dictionary"),
        pytest.param(Adjustable, ["group.every", "devices.every"], id="nested"),
        pytest.param(Incidental, ["output", "devices"], id="with the kinds below it"),
    ],
)
def test_entries_have_the_markers_of_their_list(kind: type[Any], names: list[str]) -> None:
    assert [entry.name for entry in walk(CONFIG) if entry.is_marked(kind)] == names


def test_values_are_changed_in_a_copy() -> None:
    def upper(entry: Field) -> Any:
        return entry.value.upper() if entry.is_marked(Input) else entry.value

    changed = with_changed(CONFIG, upper)
    assert changed == replace(CONFIG, files=["A", Split("b")], models={"X": "X"})
    assert CONFIG.files == ["a", Split("b")]


def test_fields_of_given_kinds_are_omitted() -> None:
    assert without_fields(CONFIG, Incidental, Adjustable, Input) == {
        "limit": None,
        "steps": [],
        "betas": (0.9, 0.99),
        "group": {"share": 0.5},
    }
    assert without_fields(CONFIG, Incidental)["files"] == ["a", {"name": "b", "size": 1}]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param({"limit": 0}, "--limit 0: must be at least 1", id="number"),
        pytest.param({"steps": [3, 0]}, "--steps[1] 0: must be at least 1", id="entry"),
        pytest.param({"group": Group(share=1)}, "--group.share 1: must be above 0 and below 1", id="nested"),
        pytest.param({"group": Group(share=math.nan)}, "--group.share nan: must be above 0 and below 1", id="nan"),
        pytest.param({"files": [Split("b", 0)]}, "--files[0].size 0: must be at least 1", id="dataclass in a list"),
    ],
)
def test_number_out_of_bounds_is_reported(change: dict[str, Any], problem: str) -> None:
    assert list(bound_problems(replace(CONFIG, **change))) == [problem]


def test_numbers_at_their_bounds_are_valid() -> None:
    assert list(bound_problems(replace(CONFIG, limit=1, group=Group(share=0.999)))) == []


def test_skipped_groups_are_not_checked() -> None:
    wrong = replace(CONFIG, limit=0, devices=Group(every=0))
    assert list(bound_problems(wrong, skip=["devices"])) == ["--limit 0: must be at least 1"]
