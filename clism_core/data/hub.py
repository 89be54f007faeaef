"""What all readers of the Hugging Face Hub share: its library, its own conversion to Parquet, and its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clism_core.errors import InputError

CONVERTED = "refs/convert/parquet"
"""The branch in which the hub keeps its own conversion to Parquet of data sets that are not: a folder a subset."""


def load_library(what: str) -> Any:
    """Return the module `datasets`; raises `InputError`, which begins with `what` wants it, where it is missing."""
    try:
        import datasets
    except ImportError as error:
        raise InputError(f"{what} the library datasets; install it with pip install -e '.[hub]'") from error
    return datasets


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
