"""Records of finished runs, and the check that their inputs are unchanged."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from clism_core.experiments.input_digests import InputDigests
from clism_core.experiments.studies.run_graph import Stage
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.utils.errors import InputError
from clism_core.utils.records import read_record
from clism_core.utils.storage import exists, join, write_json

logger = logging.getLogger(__name__)

RECORD_FILE = "finished.json"
_RUN_AGAIN = "delete the folder that contains it, and the same command repeats this run"


@dataclass(frozen=True)
class FinishedRun:
    """Record of a finished run."""

    run_id: str
    """Id of its MLflow run."""
    seconds: float | None
    """Duration in seconds; None if the run was resumed."""
    contents: Mapping[str, str] = field(default_factory=dict)
    """Digests of its inputs, by path."""

    def write(self, folder: str) -> None:
        """Write the record into the folder of the run."""
        write_json(join(folder, RECORD_FILE), dataclasses.asdict(self))


def stage_digests(stages: Mapping[str, Stage]) -> dict[str, dict[str, str]]:
    """Return the digests of the existing inputs of each stage and of those before it, by path.

    Args:
        stages: stages by name, each after the one it depends on.
    """
    inputs = InputDigests()
    digests: dict[str, dict[str, str]] = {}
    for name, stage in stages.items():
        digests[name] = digests.get(stage.before or "", {}) | inputs.of(stage.config)
    return digests


def find_finished(
    stages: Mapping[str, Stage], output: str, digests: Mapping[str, Mapping[str, str]]
) -> dict[str, FinishedRun]:
    """Return the finished runs in a folder that studies share.

    A run whose model was deleted counts as unfinished if an unfinished run depends on the model.

    Args:
        stages: stages by name, each after the one it depends on.
        output: folder of the study.
        digests: input digests from `stage_digests`.

    Raises:
        InputError: if inputs of finished runs have changed.
    """
    records = {name: join(stage.folder(output), RECORD_FILE) for name, stage in stages.items()}
    finished = {
        name: read_record(record, FinishedRun, advice=_RUN_AGAIN) for name, record in records.items() if exists(record)
    }
    _check_unchanged({stages[name].folder(output): (run.contents, digests[name]) for name, run in finished.items()})
    for name, stage in reversed(list(stages.items())):
        before = stage.before
        if name not in finished and before in finished and not exists(model_folder(stages[before], output)):
            logger.warning("the model of %s is missing and still needed: training it again", before)
            del finished[before]
    return finished


def _check_unchanged(runs: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]) -> None:
    """Compare recorded with current digests, by folder of the run; missing inputs are ignored."""
    changed = {
        folder: [path for path, digest in then.items() if now.get(path, digest) != digest]
        for folder, (then, now) in runs.items()
    }
    folders = sorted(folder for folder, paths in changed.items() if paths)
    if folders:
        paths = sorted({path for paths in changed.values() for path in paths})
        raise InputError(
            f"{', '.join(paths)}: changed since finished runs of the study used it. Give the changed data another "
            "name, or the study another --output; or delete the folders of these runs, and the same command runs them "
            f"again: {' '.join(folders)}"
        )


def model_folder(stage: Stage, output: str) -> str:
    """Return the folder of the model that a training exports."""
    return join(stage.folder(output), MODEL_FOLDER)
