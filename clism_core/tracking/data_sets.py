"""Data sets of a run, as MLflow shows them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

FINGERPRINTS_TAG = "clism.data_fingerprint"
"""Tag of a run with the fingerprints of its data sets, separated by commas."""
MAX_DIGEST_LENGTH = 36  # MLflow's limit for the digest of a data set


@dataclass(frozen=True)
class LoggedDataSet:
    """Prepared data set, as MLflow shows it."""

    folder: str
    fingerprint: str
    """Fingerprint in its manifest."""
    profile: Mapping[str, Any]
    """Summary shown by MLflow, such as the counts per language pair."""
    weight: float | None = None
    """Weight in a mixture; None for a single data set."""
    context: str = "training"
    """Use of the data set in the run."""


def dataset_input(data_set: LoggedDataSet) -> DatasetInput:
    """Return a data set as MLflow logs it, with its weight as the tag `clism.weight`."""
    folder = data_set.folder
    dataset = Dataset(
        name=Path(folder).name,
        digest=data_set.fingerprint[:MAX_DIGEST_LENGTH],
        source_type="local" if "://" not in folder else folder.partition("://")[0],
        source=json.dumps({"uri": folder}),
        profile=json.dumps(data_set.profile),
    )
    tags = [InputTag("mlflow.data.context", data_set.context)]
    if data_set.weight is not None:
        tags.append(InputTag("clism.weight", f"{data_set.weight:g}"))
    return DatasetInput(dataset, tags)
