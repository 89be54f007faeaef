"""Arrow columns that run code when their values are read: Ray Data's type for Python objects, which unpickles."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from ray.data.extensions import ArrowPythonObjectType  # registers the type

TYPE_NAME = "ray.data.arrow_pickled_object"


class TouchFile:
    """An object whose pickle creates the file `path` when it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return open, (self._path, "w")


def pickled_column(path: Path, rows: int = 1) -> pa.Array:
    """Return a column whose values create the file `path` when they are read."""
    pickles = pa.array([pickle.dumps(TouchFile(path))] * rows, pa.large_binary())
    return pa.ExtensionArray.from_storage(ArrowPythonObjectType(), pickles)
