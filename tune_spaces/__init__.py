"""Search spaces for jobs/tune.py, one per module, each defined as `SPACE`; files outside the package work, too."""

import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType

from clism_core.experiments.tuning.space import Space
from clism_core.utils.errors import InputError


def space_names() -> list[str]:
    """Return the names of the spaces in this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_space(name_or_file: str) -> Space:
    """Return a search space.

    Args:
        name_or_file: module of this package, such as `temperature`, or path of a Python file.

    Raises:
        InputError: if it is not found, or defines no `SPACE`.
    """
    space = getattr(_load_module(name_or_file), "SPACE", None)
    if not isinstance(space, Space):
        raise InputError(f"--space {name_or_file}: SPACE missing; define a clism_core.experiments.tuning.space.Space")
    return space


def _load_module(name_or_file: str) -> ModuleType:
    if name_or_file in space_names():
        return importlib.import_module(f"{__name__}.{name_or_file}")
    file = Path(name_or_file).expanduser()
    if file.suffix != ".py" or not file.is_file():
        known = ", ".join(space_names())
        raise InputError(f"--space {name_or_file}: not found; give a Python file, or a module of tune_spaces: {known}")
    spec = importlib.util.spec_from_file_location(f"space_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's file may raise anything
        raise InputError(f"--space {name_or_file}: {type(error).__name__}: {error}") from error
    return module
