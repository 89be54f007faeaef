"""A notice in a model's configuration, which models trained from it inherit, and which accompanies their scores."""

import json
from pathlib import Path

from clism_core.model.resolve import MODEL_FILE

NOTICE = "clism_notice"
"""Name of the notice in `config.json`."""


def model_notice(folder: str | Path) -> str:
    """Return the notice of the model in a local folder; empty if it has none, or if there is no such folder."""
    file = Path(folder) / MODEL_FILE
    return str(json.loads(file.read_text(encoding="utf-8")).get(NOTICE, "")) if file.is_file() else ""


def with_notice(table: str, *folders: str | Path) -> str:
    """Return a table of scores, below the notices of the models in `folders`."""
    notices = dict.fromkeys(filter(None, map(model_notice, folders)))
    return "\n\n".join([*(f"**{notice}**" for notice in notices), table])
