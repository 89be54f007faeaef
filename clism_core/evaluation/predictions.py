"""Predictions of a model in a folder, and a record of the finished ones."""

import logging
from dataclasses import asdict, dataclass
from typing import Any

from clism_core.inference.models import EvaluatedModel
from clism_core.model.resolve import is_tracked
from clism_core.tasks.test_data import TestSet, digest, title
from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.records import read_record

logger = logging.getLogger(__name__)

NOTE = "evaluation.json"
"""File that records the model of the predictions and their test sets."""
_PREDICT_AGAIN = "delete it, and an evaluation with this --output predicts again; or give another folder"


@dataclass(frozen=True)
class _Note:
    model: str
    fingerprint: str
    test_sets: dict[str, str]
    """Digests of the finished test sets."""


class Predictions:
    """The files `predictions/DATASET/LANGUAGE.json` (or `.conll`) of a folder, local or s3://."""

    def __init__(self, folder: str, note: dict[str, Any]) -> None:
        self.folder = folder
        self._note = note

    @classmethod
    def of_model(cls, folder: str, model: EvaluatedModel) -> "Predictions":
        """Open the predictions of `model` in a folder; delete those of another model or of an earlier state of it."""
        new = {"model": model.name, "fingerprint": model.fingerprint, "test_sets": {}}
        note = _read_note(folder) or new
        if note["fingerprint"] != model.fingerprint:
            logger.warning("%s contains predictions of another model, %s; they are replaced", folder, note["model"])
            storage.delete(storage.join(folder, NOTE))
            storage.delete(storage.join(folder, "predictions"))
            note = new
        return cls(folder, {**note, "model": model.name})

    @classmethod
    def of_evaluation(cls, folder: str, test_sets: list[TestSet]) -> "Predictions":
        """Open the predictions of an earlier evaluation.

        Raises:
            InputError: if it is unfinished, or had other test sets.
        """
        predictions = cls(folder, _read_note(folder) or {"test_sets": {}})
        missing = [title(each) for each in test_sets if not predictions.has(each)]
        if missing:
            raise InputError(
                f"--compare {folder}: has no predictions for these test sets of --tests: {', '.join(missing)}; "
                "evaluate that model on these files, or give its name instead of the folder"
            )
        return predictions

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self._note["model"])

    def has(self, test_set: TestSet) -> bool:
        """Return whether the predictions for a test set in its current state exist."""
        same = self._note["test_sets"].get(title(test_set)) == digest(test_set)
        return same and storage.exists(self.path(test_set))

    def read(self, test_set: TestSet) -> str:
        """Return the text of a predictions file.

        Raises:
            InputError: if a concurrent evaluation has replaced it.
        """
        self._refresh()
        if not self.has(test_set):
            raise InputError(_shared(self.folder))
        return storage.read_bytes(self.path(test_set)).decode()

    def write(self, test_set: TestSet, text: str) -> None:
        """Write a predictions file, and record that it is finished.

        Raises:
            InputError: if a concurrent evaluation writes predictions of another model.
        """
        self._refresh()
        storage.write_bytes(self.path(test_set), text.encode())
        self._note["test_sets"][title(test_set)] = digest(test_set)
        storage.write_json(storage.join(self.folder, NOTE), self._note)

    def _refresh(self) -> None:
        """Read what a concurrent evaluation of the same model has recorded in the folder."""
        stored = _read_note(self.folder)
        if stored is None and not self._note["test_sets"]:  # nothing has been written yet
            return
        if stored is None or stored["fingerprint"] != self._note["fingerprint"]:
            raise InputError(_shared(self.folder))
        self._note["test_sets"] = stored["test_sets"]

    def path(self, test_set: TestSet) -> str:
        """Return the path of the predictions file for a test set."""
        name = f"{test_set.language}.{test_set.ending}"
        return storage.join(self.folder, "predictions", test_set.dataset, name)


def is_evaluation(name: str) -> bool:
    """Return whether `name` is the output folder of an evaluation rather than a model."""
    return not is_tracked(name) and storage.exists(storage.join(name, NOTE))


def _shared(folder: str) -> str:
    return f"{folder}: a concurrent evaluation has replaced the predictions; give each evaluation its own --output"


def _read_note(folder: str) -> dict[str, Any] | None:
    path = storage.join(folder, NOTE)
    return asdict(read_record(path, _Note, advice=_PREDICT_AGAIN)) if storage.exists(path) else None
