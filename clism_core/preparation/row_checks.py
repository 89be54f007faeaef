"""Checks of the rows of prepared samples, a table at a time."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clism_core.preparation.alignment.pharaoh import parse_links
from clism_core.preparation.source_hash import SAMPLE_FILE_SCHEMA

_MAY_BE_NULL = frozenset({"origin", "source_words", "target_words"})
"""Columns that may be null: rows without words are left out of the evaluation only (`lacks_words`)."""
SIDES = ("source", "target")
_UNKNOWN = 2**31 - 1
"""Length of a text that is null, which is a problem of its own."""
Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


class RowProblem(NamedTuple):
    """A problem of some rows of a table."""

    text: str
    rows: Integers
    """Numbers of the rows in the table, ascending, from 0."""


def sample_schema(columns: Iterable[str]) -> pa.Schema:
    """Return the schema of columns of samples."""
    return pa.schema([SAMPLE_FILE_SCHEMA.field(name) for name in columns])


def column_problems(found: pa.Schema, expected: pa.Schema) -> list[str]:
    """Return which of the expected columns a file lacks, has twice, or has with values of another kind.

    Integers may be of any width, and texts of any Arrow type for texts; `convert_rows` converts them.
    """
    problems = []
    for field in expected:
        if (count := found.names.count(field.name)) != 1:
            problems.append(f"column {field.name} is {'missing' if count == 0 else f'there {count} times'}")
        elif not _fits(kind := found.field(field.name).type, field.type):
            problems.append(f"column {field.name} is {kind} instead of {field.type}")
    return problems


def _fits(found: pa.DataType, expected: pa.DataType) -> bool:
    types = pa.types
    if types.is_null(found):
        return True
    if types.is_list(expected):
        is_list = types.is_list(found) or types.is_large_list(found)
        return is_list and _fits(found.value_type, expected.value_type)
    if types.is_struct(expected):
        return types.is_struct(found) and all(
            found.get_field_index(field.name) >= 0 and _fits(found.field(field.name).type, field.type)
            for field in expected
        )
    if types.is_string(expected):
        text = found.value_type if types.is_dictionary(found) else found
        return bool(types.is_string(text) or types.is_large_string(text) or types.is_string_view(text))
    return bool(types.is_integer(found))


def convert_rows(table: pa.Table, schema: pa.Schema) -> tuple[pa.Table, Integers, list[RowProblem]]:
    """Convert columns without `column_problems` to the types of `schema`.

    Returns:
        the rows that can be converted, their numbers in `table`, and the problem of the others, if any.
    """
    numbers = np.arange(table.num_rows)
    try:
        return _converted(table, schema), numbers, []
    except pa.ArrowInvalid:
        is_valid = np.array([_is_convertible(table.slice(row, 1), schema) for row in numbers])
    problem = RowProblem("a text is not UTF-8, or a number is out of range", numbers[~is_valid])
    return _converted(table.take(numbers[is_valid]), schema), numbers[is_valid], [problem]


def check_rows(table: pa.Table) -> tuple[pa.Table, Integers, list[RowProblem]]:
    """Convert columns of samples as `convert_rows` does, and find the problems of all rows (`row_problems`)."""
    samples, numbers, problems = convert_rows(table, sample_schema(table.column_names))
    return samples, numbers, [*problems, *(RowProblem(text, numbers[rows]) for text, rows in row_problems(samples))]


def _converted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    converted = table.cast(schema)
    converted.validate(full=True)
    return converted


def _is_convertible(row: pa.Table, schema: pa.Schema) -> bool:
    try:
        _converted(row, schema)
    except pa.ArrowInvalid:
        return False
    return True


def row_problems(samples: pa.Table) -> Iterator[RowProblem]:
    """Yield the problems of rows of samples: nulls, offsets outside of the text, overlaps, links between other words.

    Args:
        samples: any of the columns of `SAMPLE_FILE_SCHEMA`, with their types. The text that offsets refer to is
            only compared if its column is among them.
    """
    for name in samples.column_names:
        if name not in _MAY_BE_NULL:
            yield from null_problems(samples, name)
    for name in ("spans", "source_words", "target_words"):
        if name in samples.column_names:
            yield from _list_problems(samples, name)
    if {"alignment", "source_words", "target_words"}.issubset(samples.column_names):
        yield from _link_problems(samples)


def null_problems(table: pa.Table, name: str) -> Iterator[RowProblem]:
    """Yield the rows in which a column is null."""
    if table[name].null_count:
        yield RowProblem(f"{name} is null", np.flatnonzero(table[name].is_null().to_numpy()))


def lacks_words(samples: pa.Table) -> Mask:
    """Return for each row whether its source or its target has no words."""
    source, target = (_lengths(samples, f"{side}_words") for side in SIDES)
    return np.equal(np.minimum(source, target), 0)


def _lengths(samples: pa.Table, name: str) -> Integers:
    """Return the number of entries of each list; 0 for null."""
    return _numbers(pc.list_value_length(samples[name]))


def _list_problems(samples: pa.Table, name: str) -> Iterator[RowProblem]:
    """Yield the problems of spans or words."""
    lists = samples[name].combine_chunks()
    parents = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    entries = lists.flatten()
    is_null = np.array(entries.is_null())
    for field in entries.type:
        is_null = is_null | np.array(pc.struct_field(entries, field.name).is_null())
    if is_null.any():
        yield _problem(f"{name} has a null", parents, is_null)
    is_span = name == "spans"
    for side in SIDES if is_span else (name.removesuffix("_words"),):
        prefix, noun = (f"{side}_", "span") if is_span else ("", "word")
        start, end = (_numbers(pc.struct_field(entries, f"{prefix}{edge}")) for edge in ("start", "end"))
        wrong = (start < 0) | (end <= start)
        if side in samples.column_names:
            wrong |= end > _numbers(pc.utf8_length(samples[side]), null=_UNKNOWN)[parents]
        if (wrong & ~is_null).any():
            yield _problem(f"a {noun} is empty or outside of the {side}", parents, wrong & ~is_null)
        order = np.lexsort((start, parents)) if is_span else np.arange(len(parents))  # words are in order
        before, after = order[:-1], order[1:]
        overlaps = (parents[before] == parents[after]) & (start[after] < end[before])
        overlaps &= ~(wrong | is_null)[before] & ~(wrong | is_null)[after]
        if overlaps.any():
            yield _problem(f"{noun}s overlap in the {side}", parents[after], overlaps)


def _link_problems(samples: pa.Table) -> Iterator[RowProblem]:
    """Yield the rows with words whose alignment is not a list of links between them."""
    counts = [_lengths(samples, f"{side}_words").tolist() for side in SIDES]
    wrong = np.zeros(samples.num_rows, dtype=bool)
    for row, (alignment, sources, targets) in enumerate(zip(samples["alignment"].to_pylist(), *counts, strict=True)):
        if alignment is not None and sources and targets:
            links = parse_links(alignment)
            wrong[row] = links is None or any(i >= sources or j >= targets for i, j in links)
    if wrong.any():
        yield RowProblem("alignment is not a list of links between the words", np.flatnonzero(wrong))


def _problem(text: str, parents: Integers, mask: Mask) -> RowProblem:
    return RowProblem(text, np.unique(parents[mask]))


def _numbers(values: pa.Array | pa.ChunkedArray, *, null: int = 0) -> Integers:
    return np.asarray(pc.fill_null(values, null).to_numpy(), dtype=np.int64)
