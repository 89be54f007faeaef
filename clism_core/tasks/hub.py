"""Labelled data from the Hugging Face Hub, streamed with the library `datasets` (an optional extra)."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clism_core.utils.errors import InputError
from clism_core.utils.hub_datasets import CONVERTED, hub_errors, load_builder
from clism_core.utils.text import listed


@dataclass(frozen=True)
class HubSplit:
    """A split of a data set on the Hugging Face Hub, stored as Parquet."""

    name: str
    """Name on the hub, such as `google/xquad`, or a local folder with the same layout."""
    split: str
    subset: str | None = None
    """Configuration of the data set, such as `xquad.ar`; None if there is only one."""
    revision: str | None = None
    """A commit, tag or branch, such as `refs/convert/parquet`, the hub's own conversion; None for the main branch."""

    @property
    def title(self) -> str:
        """Name, subset and split, as error messages show them."""
        return "/".join(part for part in (self.name, self.subset, self.split) if part is not None)


@contextmanager
def hub_rows(data: HubSplit, *, columns: Collection[str], official: Mapping[str, str]) -> Iterator[Any]:
    """Open a split as an iterable data set of `datasets`; errors while reading it become `InputError`.

    Args:
        data: the split.
        columns: columns that it must have.
        official: official files of known data sets, by part of the name on the hub; error messages suggest them.

    Raises:
        InputError: if `datasets` is not installed, or the data set cannot be reached, is a loading script, is not
            Parquet, or lacks the subset, the split or a column.
    """
    instead = alternatives(data, official)
    with hub_errors(data.title, instead=instead):
        builder = load_builder(
            data.name,
            subset=data.subset,
            split=data.split,
            revision=data.revision,
            converted=data.revision == CONVERTED,
            title=data.title,
            instead=instead,
        )
        rows = builder.as_streaming_dataset(split=data.split)
        missing = [column for column in columns if column not in rows.features]
        if missing:
            raise InputError(f"{data.title} has no column {missing[0]!r}; its columns are {listed(rows.features)}")
        yield rows


def alternatives(data: HubSplit, official: Mapping[str, str]) -> str:
    """Return the alternatives to a data set that cannot be used, for an error message."""
    files = next((files for name, files in official.items() if name in data.name.lower()), None)
    named = f" ({files})" if files else ""
    return f"download the official files{named}, or give revision: {CONVERTED}, the hub's own conversion"
