"""What a run is: kept in its output folder, and compared when the same folder is given again."""

import hashlib
import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from clism_core.tracking.run import flatten
from clism_core.utils.errors import InputError
from clism_core.utils.fields import Marker, without_fields
from clism_core.utils.storage import exists, join, read_json, write_json

RUN_FILE = "run.json"


def identity_fields(config: Any, *changeable: type[Marker]) -> dict[str, Any]:
    """Return the fields of a configuration by dotted names, as JSON has them.

    Args:
        config: of a job.
        changeable: kinds of fields that may differ between configurations of the same run.
    """
    identity: dict[str, Any] = json.loads(json.dumps(flatten(without_fields(config, *changeable))))
    return identity


def vocabulary_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return what is equal for tokenizers with the same tokens and ids."""
    vocabulary = json.dumps(sorted(tokenizer.get_vocab().items())).encode()
    return hashlib.sha256(vocabulary).hexdigest()


def with_relative_paths(fields: Any) -> Any:
    """Return fields as JSON has them, with the paths below the current folder made relative: a submitted job stands in
    another folder each time."""
    return json.loads(json.dumps(fields).replace(json.dumps(f"{Path.cwd()}/")[:-1], '"'))


def check_same_run(output: str, given: dict[str, Any]) -> None:
    """Compare with the run that `output` holds, if it holds one, in the fields that are given.

    Raises:
        InputError: naming the fields that differ.
    """
    file = join(output, RUN_FILE)
    if not exists(file):
        return
    before = read_json(file)
    changed = sorted(name for name, value in given.items() if before.get(name) != value)
    if changed:
        raise InputError(
            f"--output {output}: holds a run with another {', '.join(changed)}; "
            "give what it had to go on (see config.yaml there), or choose another folder"
        )


def save_identity(output: str, identity: dict[str, Any]) -> None:
    """Write the identity of a run that is about to start."""
    write_json(join(output, RUN_FILE), identity)
