"""Names that MLflow takes of parameters, metrics and tags."""

import re

_FOREIGN = re.compile(r"[^\w.\- :]")


def part_of_name(text: str) -> str:
    """Return what stands for `text` between the slashes of a name: what MLflow takes in none, such as &, is `_`."""
    return _FOREIGN.sub("_", text)
