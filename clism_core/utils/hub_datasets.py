"""What all readers of the Hugging Face Hub share: its library, its own conversion to Parquet, and its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

CONVERTED = "refs/convert/parquet"
"""The branch in which the hub keeps its own conversion to Parquet of data sets that are not: a folder a subset."""


def load_builder(
    name: str, *, subset: str | None, split: str, revision: str | None, converted: bool, title: str, instead: str
) -> Any:
    """Return the builder of `datasets` for a split of a data set whose files are Parquet.

    Args:
        name: As the hub has it, or a local folder.
        subset: Of the data set; None where it has only one.
        split: Which it must have.
        revision: A commit, tag or branch; None for the main branch.
        converted: Whether it is of the hub's own conversion, a folder a subset.
        title: What is read, as messages begin.
        instead: What to give in place of what cannot be used.

    Raises:
        InputError: without `datasets`, a subset of the conversion, or the split, and for files of another kind.
    """
    try:
        import datasets
    except ImportError as error:
        raise InputError(f"{title}: wants the library datasets; install it with pip install -e '.[hub]'") from error
    if converted and subset is None:
        raise InputError(
            f"{title}: the branch {CONVERTED} has a folder for each subset; give subset, which is default where the "
            "data set has only one"
        )
    folder = {"data_dir" if converted else "name": subset}
    builder = datasets.load_dataset_builder(name, revision=revision, **folder)
    if builder.info.builder_name != "parquet":
        raise InputError(f"{title}: its files are {builder.info.builder_name}, not Parquet; {instead}")
    if split not in builder.config.data_files:
        raise InputError(f"{title}: split is {split!r}, but the data set has {listed(builder.config.data_files)}")
    return builder


@contextmanager
def explained(title: str, *, instead: str, hint: str = "") -> Iterator[None]:
    """Turn what `datasets` and the hub raise about the data set `title` into an `InputError`.

    Args:
        title: What is read, as the message begins.
        instead: What to give in place of a loading script.
        hint: What to add where it cannot be read for another reason.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # and whatever the HTTP client raises, which has no base class in common with them
        if "scripts are no longer supported" in str(error):
            raise InputError(
                f"{title} is a loading script, which would run code of others and is not supported; {instead}"
            ) from error
        raise InputError(f"{title} cannot be read from the hub: {error}{hint}") from error
