"""Access to data sets of the Hugging Face Hub: the builder, the hub's Parquet conversion, and its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

CONVERTED = "refs/convert/parquet"
"""Branch in which the hub keeps its Parquet conversion of other formats, one folder per subset."""


def load_builder(
    name: str, *, subset: str | None, split: str, revision: str | None, converted: bool, title: str, instead: str
) -> Any:
    """Return the `datasets` builder for a split of a data set stored as Parquet.

    Args:
        name: Hub id or local folder.
        subset: Subset of the data set; None if it has only one.
        split: Required split.
        revision: Commit, tag or branch; None for the main branch.
        converted: Whether to read the hub's Parquet conversion, which has one folder per subset.
        title: Description of the input, with which messages begin.
        instead: Remedy that messages suggest if the data set cannot be used.

    Raises:
        InputError: if `datasets` is not installed, the subset of a conversion is not given, the split does not exist,
            or the files are not Parquet.
    """
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f"{title}: needs the package datasets, which is not installed; pip install -e '.[hub]'"
        ) from error
    if converted and subset is None:
        raise InputError(
            f"{title}: the branch {CONVERTED} has one folder per subset; give subset (default if the data set has only "
            "one)"
        )
    folder = {"data_dir" if converted else "name": subset}
    builder = datasets.load_dataset_builder(name, revision=revision, **folder)
    if builder.info.builder_name != "parquet":
        raise InputError(
            f"{title}: unsupported format: its files are {builder.info.builder_name}, not Parquet; {instead}"
        )
    if split not in builder.config.data_files:
        raise InputError(f"{title}: split {split!r} not found; the data set has {listed(builder.config.data_files)}")
    return builder


@contextmanager
def hub_errors(title: str, *, instead: str, hint: str = "") -> Iterator[None]:
    """Turn errors of `datasets` and of the hub about the data set `title` into an `InputError`.

    Args:
        title: Description of the input, with which the message begins.
        instead: Remedy that the message suggests for a loading script.
        hint: Text appended to the message of any other error.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # includes the errors of the HTTP client, which share no base class with the others
        if "scripts are no longer supported" in str(error):
            raise InputError(
                f"{title} is a loading script, which would run third-party code and is not supported; {instead}"
            ) from error
        raise InputError(f"{title} cannot be read from the hub: {error}{hint}") from error
