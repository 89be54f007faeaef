"""Conversion of file rows to records for predictors, and reasons to reject rows."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from clism_core.inference.config import PredictConfig
from clism_core.inference.row_readers import Row
from clism_core.tasks.registry import AnyTask
from clism_core.utils.errors import InputError
from clism_core.utils.text import LONE_SURROGATE, printable


class Reason(StrEnum):
    """Reason for which a row is rejected."""

    UNREADABLE = "unreadable"
    """The row is not a JSON object, or its number of fields differs from the header."""
    MISSING = "missing"
    """The column is missing, null or blank."""
    NOT_TEXT = "not_text"
    """The value is not a string, or the tokens are not a list of strings."""
    INVALID_CHARACTERS = "invalid_characters"
    """The value contains a lone surrogate (half of a pair), which is not a valid character."""
    UNFIT = "unfit"
    """The column has the name of a prediction column, or does not fit into the columns and types of the output, which
    are determined by the first rows."""


class Reject(NamedTuple):
    """A row without a prediction."""

    row: int
    """Number of the row, from 1."""
    reason: Reason
    column: str
    """Column that causes the rejection; empty if it is the whole row."""


def make_record(row: Row, *, task: AnyTask, config: PredictConfig) -> dict[str, Any] | Reject:
    """Return the predictor's record for a row, or the reason to reject the row."""
    if row.values is None:
        return Reject(row.number, Reason.UNREADABLE, "")
    clash = next((column for column in task.output_schema.names if column in row.values), None)
    if clash is not None:
        return Reject(row.number, Reason.UNFIT, clash)
    columns = input_columns(task, config)
    if task.record_fields.needed == "one":
        present = [name for name, column in columns.items() if not _is_missing(row.values.get(column))]
        if not present:
            return Reject(row.number, Reason.MISSING, " or ".join(columns.values()))
        columns = {present[0]: columns[present[0]]}
    record = {}
    for name, column in columns.items():
        value = row.values.get(column)
        is_text = task.record_fields.kinds[name] == "text"
        reason = _text_reason(value) if is_text else _tokens_reason(value)
        if reason is not None:
            return Reject(row.number, reason, column)
        record[name] = value if is_text else _parsed(value)
    return record


def input_columns(task: AnyTask, config: PredictConfig) -> dict[str, str]:
    """Return the file column of each field of the task's records, by field name."""
    return {name: getattr(config, f"{name}_column", name) for name in task.record_fields.kinds}


def check_columns(columns: Sequence[str], *, task: AnyTask, config: PredictConfig) -> None:
    """Check that a file has the columns that the task needs.

    Args:
        columns: columns of the file.
        task: task of the model.
        config: configuration with the names of the required columns.

    Raises:
        InputError: if required columns are missing, or a column has the name of a prediction column.
    """
    required = input_columns(task, config)
    enough, conjunction = (all, " and ") if task.record_fields.needed == "all" else (any, " or ")
    if not enough(column in columns for column in required.values()):
        has = ", ".join(columns) or "none"
        options = [f"--{name}_column" for name in required]
        remedy = f"name your columns with {conjunction.join(options)}"
        if not all(hasattr(config, f"{name}_column") for name in required):  # fields of a task without such options
            remedy = "rename the columns"
        raise InputError(
            f"--input {config.input} has the columns {has}, but the model needs "
            f"{conjunction.join(required.values())}; {remedy}"
        )
    clashes = [column for column in task.output_schema.names if column in columns]
    if clashes:
        raise InputError(
            f"--input {config.input}: column {', '.join(clashes)} conflicts with a prediction column; rename it"
        )


def describe_row(row: Mapping[str, Any], *, task: AnyTask, config: PredictConfig) -> str:
    """Return a row of the output as one readable line."""
    record = {name: row.get(column) for name, column in input_columns(task, config).items()}
    prediction = {name: row[name] for name in task.output_schema.names}
    return printable(task.describe(record, prediction))


def _is_missing(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _text_reason(value: Any) -> Reason | None:
    if _is_missing(value):
        return Reason.MISSING
    if not isinstance(value, str):
        return Reason.NOT_TEXT
    return Reason.INVALID_CHARACTERS if LONE_SURROGATE.search(value) else None


def _tokens_reason(value: Any) -> Reason | None:
    tokens = _parsed(value)
    if not isinstance(tokens, list):
        return Reason.NOT_TEXT
    if not tokens:
        return Reason.MISSING
    reasons = (_text_reason(token) for token in tokens)
    return next((reason for reason in reasons if reason is not None), None)


def _parsed(value: Any) -> Any:
    """Return a list, parsed from JSON if it comes from CSV; None if that fails."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None
