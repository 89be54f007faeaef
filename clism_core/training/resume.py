"""Identity of a run: saved in its output folder, and compared when a run is started again in the same folder."""

import hashlib
import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from clism_core.tracking.run import flatten
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Marker, without_fields
from clism_core.utils.storage import damaged, exists, join, read_json, write_json

RUN_FILE = "run.json"


def identity_fields(config: Any, *changeable: type[Marker]) -> dict[str, Any]:
    """Return the fields of a configuration by dotted name, with values as in JSON.

    Args:
        config: configuration of a job.
        changeable: kinds of fields that may differ between configurations of the same run.
    """
    identity: dict[str, Any] = json.loads(json.dumps(flatten(without_fields(config, *changeable))))
    return identity


def vocabulary_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return a digest of a tokenizer's tokens and their ids."""
    vocabulary = json.dumps(sorted(tokenizer.get_vocab().items())).encode()
    return hashlib.sha256(vocabulary).hexdigest()


def with_relative_paths(fields: Any) -> Any:
    """Return fields with values as in JSON and with relative paths to files in the current folder, because a submitted
    job runs in a different folder each time."""
    return json.loads(json.dumps(fields).replace(json.dumps(f"{Path.cwd()}/")[:-1], '"'))


def check_same_run(output: str, identity: dict[str, Any]) -> None:
    """Compare the fields of `identity` with those of the run in `output`, if there is one.

    Raises:
        InputError: if fields differ; names them.
    """
    file = join(output, RUN_FILE)
    if not exists(file):
        return
    saved = read_json(file)
    changed = sorted(name for name, value in identity.items() if saved.get(name) != value)
    if changed and not any(name in saved for name in changed):
        raise damaged(file, f"lacks {', '.join(changed)}, or was written by another version of this project")
    if changed:
        raise InputError(
            f"--output {output}: holds a run with another {', '.join(changed)}; "
            "give the values in its config.yaml to resume it, or choose another folder"
        )


def save_identity(output: str, identity: dict[str, Any]) -> None:
    """Save the identity of a run that is about to start."""
    write_json(join(output, RUN_FILE), identity)
