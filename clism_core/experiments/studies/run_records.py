"""Which runs of a study are done, and whether what they were made of is still the same."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from clism_core.experiments.input_digests import InputDigests
from clism_core.experiments.studies.run_graph import Stage
from clism_core.training.checkpoints import MODEL_FOLDER
from clism_core.utils.errors import InputError
from clism_core.utils.storage import exists, join, read_json, write_json

logger = logging.getLogger(__name__)

NOTE = "finished.json"


@dataclass(frozen=True)
class Finished:
    """A run that is done."""

    run_id: str
    """Of MLflow."""
    seconds: float | None
    """That it took; None of one that was begun again."""
    contents: Mapping[str, str] = field(default_factory=dict)
    """Digests of what it was made of, by path."""

    def write(self, folder: str) -> None:
        """Note in the run's folder that it is done."""
        write_json(join(folder, NOTE), dataclasses.asdict(self))


def stage_contents(stages: Mapping[str, Stage]) -> dict[str, dict[str, str]]:
    """Return digests of what runs and those before them are made of, by path; what is not there any more has none.

    Args:
        stages: by name, each after that which it needs.
    """
    contents = InputDigests()
    found: dict[str, dict[str, str]] = {}
    for name, stage in stages.items():
        found[name] = found.get(stage.before or "", {}) | contents.of(stage.config)
    return found


def finished_before(
    stages: Mapping[str, Stage], output: str, contents: Mapping[str, Mapping[str, str]]
) -> dict[str, Finished]:
    """Return the runs that are done in the folder of a study, whichever study has made them.

    One whose model is gone is not done if a run that is not done needs it.

    Args:
        stages: by name, each after that which it needs.
        output: the folder of the study.
        contents: of `stage_contents`.

    Raises:
        InputError: if what some of them were made of has changed since.
    """
    notes = {name: join(stage.folder(output), NOTE) for name, stage in stages.items()}
    finished = {name: Finished(**read_json(note)) for name, note in notes.items() if exists(note)}
    _check_unchanged({stages[name].folder(output): (run.contents, contents[name]) for name, run in finished.items()})
    for name, stage in reversed(list(stages.items())):
        before = stage.before
        if name not in finished and before in finished and not exists(model_of(stages[before], output)):
            logger.warning("the model of %s, which is wanted, is gone: it is made again", before)
            del finished[before]
    return finished


def _check_unchanged(runs: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]) -> None:
    """Check the digests that runs have noted against those of now, by folder; data that are gone may be."""
    changed = {
        folder: [path for path, digest in then.items() if now.get(path, digest) != digest]
        for folder, (then, now) in runs.items()
    }
    folders = sorted(folder for folder, paths in changed.items() if paths)
    if folders:
        paths = sorted({path for paths in changed.values() for path in paths})
        raise InputError(
            f"{', '.join(paths)}: changed since finished runs of the study were made of it. Give the changed data "
            "another name, or the study another --output; or delete the folders of these runs, and the same command "
            f"makes them again: {' '.join(folders)}"
        )


def model_of(stage: Stage, output: str) -> str:
    """Return the folder of the model that a training makes."""
    return join(stage.folder(output), MODEL_FOLDER)
