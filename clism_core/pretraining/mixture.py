"""Weighted mixtures of prepared data sets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Lt

from clism_core.preparation.integrity import check_samples
from clism_core.preparation.manifest import Manifest, read_manifest
from clism_core.utils.errors import InputError
from clism_core.utils.fields import PreparedData
from clism_core.utils.storage import absolute, exists

FIELD = "--data"
_ID_PREFIX_LENGTH = 12  # hexadecimal digits of 64


@dataclass
class DataSetConfig:
    """Prepared data set in a mixture."""

    path: Annotated[str, PreparedData()]
    """Folder of prepared data, from jobs/prepare.py; may be s3://."""
    weight: Annotated[float, Gt(0), Lt(math.inf)] = 1.0
    """Weight in the mixture: the data set's share of the inputs is its weight / sum of all weights, whatever its size.
    A run makes more passes over a small data set with a large weight, each in a different order."""


@dataclass(frozen=True)
class DataSet:
    """Finished prepared data set, with its manifest."""

    folder: str
    weight: float
    manifest: Manifest
    id_prefix: str = ""
    """Prefix that makes the sample ids of several data sets distinct; empty for a single data set."""


def mixture_problems(data: Sequence[DataSetConfig]) -> Iterator[str]:
    """Yield a message for each problem of the entries themselves, without reading their data."""
    if not data:
        yield f"{FIELD}: no data set; give a folder, or a list such as [{{path: DIR, weight: 1}}]"
    for path, times in Counter(absolute(entry.path) for entry in data).items():
        if times > 1:
            yield f"{FIELD}: {path} is given {times} times; give it once, with the sum of the weights"


def open_data_sets(data: Sequence[DataSetConfig]) -> list[DataSet]:
    """Read the manifests of prepared data sets, and compare their files with them.

    Returns:
        the data sets sorted by the digest of their contents, so that the order of `data` does not matter.

    Raises:
        InputError: if a folder contains no prepared data or no samples, files of samples are missing, added or changed,
            or two folders contain the same data.
    """
    manifests = {entry.path: _read(entry.path) for entry in data}
    problems = [
        f"{FIELD} {folder}: contains no samples; see the reasons in its manifest.json, or remove this data set"
        for folder, manifest in manifests.items()
        if not manifest["samples"]
    ]
    seen: dict[str, str] = {}
    for folder, manifest in manifests.items():
        same = [seen[digest] for digest in (manifest["content"], manifest["fingerprint"]) if digest in seen]
        if same:
            problems.append(
                f"{FIELD}: {same[0]} and {folder} contain the same data; give one, with the sum of the weights"
            )
        seen |= {manifest["content"]: folder, manifest["fingerprint"]: folder}
    problems += [problem for folder, manifest in manifests.items() for problem in _file_problems(folder, manifest)]
    if problems:
        raise InputError("\n".join(problems))
    several = len(data) > 1
    return sorted(
        (
            DataSet(
                folder=entry.path,
                weight=entry.weight,
                manifest=manifests[entry.path],
                id_prefix=f"{manifests[entry.path]['content'][:_ID_PREFIX_LENGTH]}/" if several else "",
            )
            for entry in data
        ),
        key=lambda data_set: data_set.manifest["content"],
    )


def check_existing(data: Sequence[DataSetConfig]) -> None:
    """Check the data sets whose folders exist, as `open_data_sets` does; the others may still be written.

    Raises:
        InputError: as `open_data_sets` does.
    """
    open_data_sets([entry for entry in data if exists(entry.path)])


def _read(folder: str) -> Manifest:
    try:
        return read_manifest(folder)
    except InputError as error:
        raise InputError(f"{FIELD} {error}") from error


def _file_problems(folder: str, manifest: Manifest) -> Iterator[str]:
    try:
        check_samples(folder, manifest)
    except InputError as error:
        yield f"{FIELD} {error}"
