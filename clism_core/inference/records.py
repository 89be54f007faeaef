"""From rows to what a predictor takes, and which rows give none."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from clism_core.inference.config import PredictConfig
from clism_core.inference.row_readers import Row
from clism_core.tasks.task import TaskName
from clism_core.utils.errors import InputError
from clism_core.utils.text import LONE_SURROGATE

OUTPUT_COLUMNS: dict[TaskName, tuple[str, ...]] = {"mrc": ("answer", "score", "start", "end"), "ner": ("entities",)}
"""What is added to the columns of the input."""


class Reason(StrEnum):
    """Why a row is rejected."""

    UNREADABLE = "unreadable"
    """No JSON object, or another number of fields than the header has."""
    MISSING = "missing"
    """The column is not there, null or blank."""
    NOT_TEXT = "not_text"
    """Another type, or tokens that are no list of texts."""
    INVALID_CHARACTERS = "invalid_characters"
    """Half of a surrogate pair, which is no character."""
    UNFIT = "unfit"
    """The column is where a prediction is to stand, or the output has no place for it or for values of its type: the
    first rows decide on columns and types."""


class Reject(NamedTuple):
    """A row without a prediction."""

    row: int
    """From 1."""
    reason: Reason
    column: str
    """Which one is the cause; empty where it is the whole row."""


def make_record(row: Row, *, task: TaskName, config: PredictConfig) -> dict[str, Any] | Reject:
    """Return what the predictor takes of a row, or why it takes nothing."""
    if row.values is None:
        return Reject(row.number, Reason.UNREADABLE, "")
    clash = next((column for column in OUTPUT_COLUMNS[task] if column in row.values), None)
    if clash is not None:
        return Reject(row.number, Reason.UNFIT, clash)
    if task == "mrc":
        columns = {"question": config.question_column, "context": config.context_column}
        checks = columns
    else:
        columns = {"text": config.text_column, "tokens": config.tokens_column}
        present = [key for key, column in columns.items() if not _is_missing(row.values.get(column))]
        if not present:
            return Reject(row.number, Reason.MISSING, " or ".join(columns.values()))
        checks = {present[0]: columns[present[0]]}
    record = {}
    for key, column in checks.items():
        value = row.values.get(column)
        reason = _tokens_reason(value) if key == "tokens" else _text_reason(value)
        if reason is not None:
            return Reject(row.number, reason, column)
        record[key] = _tokens(value) if key == "tokens" else value
    return record


def check_columns(columns: Sequence[str], *, task: TaskName, config: PredictConfig) -> None:
    """Check that a file has what the task wants.

    Args:
        columns: those of the file.
        task: of the model.
        config: says what the wanted columns are called.

    Raises:
        InputError: no row could be used, or a column has the name of one that is added.
    """
    if task == "mrc":
        wanted, enough = (config.question_column, config.context_column), all
        fields = "--question_column and --context_column"
    else:
        wanted, enough = (config.text_column, config.tokens_column), any
        fields = "--text_column or --tokens_column"
    if not enough(column in columns for column in wanted):
        joined = (" and " if task == "mrc" else " or ").join(wanted)
        has = ", ".join(columns) or "none"
        raise InputError(
            f"--input {config.input} has the columns {has}, but the model wants {joined}; name yours by {fields}"
        )
    clashes = [column for column in OUTPUT_COLUMNS[task] if column in columns]
    if clashes:
        raise InputError(
            f"--input {config.input} has a column {', '.join(clashes)}, where predictions are to stand; rename it"
        )


def _is_missing(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _text_reason(value: Any) -> Reason | None:
    if _is_missing(value):
        return Reason.MISSING
    if not isinstance(value, str):
        return Reason.NOT_TEXT
    return Reason.INVALID_CHARACTERS if LONE_SURROGATE.search(value) else None


def _tokens_reason(value: Any) -> Reason | None:
    tokens = _tokens(value)
    if not isinstance(tokens, list):
        return Reason.NOT_TEXT
    if not tokens:
        return Reason.MISSING
    reasons = (_text_reason(token) for token in tokens)
    return next((reason for reason in reasons if reason is not None), None)


def _tokens(value: Any) -> Any:
    """Return the list of tokens; in CSV it is written as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None
