"""Prepared data sets that are trained on together, and the share that each has in the training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Lt

from clism_core.preparation.manifest import Manifest, read_manifest
from clism_core.utils.errors import InputError
from clism_core.utils.fields import PreparedData
from clism_core.utils.storage import absolute

FIELD = "--data"
_ID_PREFIX_LENGTH = 12  # hexadecimal digits of 64


@dataclass
class DataSetConfig:
    """One of several prepared data sets."""

    path: Annotated[str, PreparedData()]
    """Folder of prepared data, from jobs/prepare.py; s3:// works."""
    weight: Annotated[float, Gt(0), Lt(math.inf)] = 1.0
    """Proportion in the mixture: weight / sum of the weights of all data sets is its share of the inputs, whatever its
    size. A small data set of a great weight is gone through more often, each time in another order."""


@dataclass(frozen=True)
class DataSet:
    """A prepared data set that is there and can be trained on."""

    folder: str
    weight: float
    manifest: Manifest
    id_prefix: str = ""
    """What its sample ids get in front, so that those of several data sets are told apart; empty for one alone."""


def mixture_problems(data: Sequence[DataSetConfig]) -> Iterator[str]:
    """Yield what is wrong with the entries themselves, one sentence each; `data` is what the field holds."""
    if not data:
        yield f"{FIELD}: names no data set; give a folder, or a list such as [{{path: DIR, weight: 1}}]"
    for path, times in Counter(absolute(entry.path) for entry in data).items():
        if times > 1:
            yield f"{FIELD}: {path} is given {times} times; give it once, with the sum of the weights"


def open_data_sets(data: Sequence[DataSetConfig]) -> list[DataSet]:
    """Read the manifests of prepared data sets.

    Returns:
        the data sets in the order of their contents, so that the order in which they were given does not matter.

    Raises:
        InputError: where a folder holds no prepared data or no samples, or two hold the same.
    """
    manifests = {entry.path: _read(entry.path) for entry in data}
    problems = [
        f"{FIELD} {folder}: holds no samples; see the reasons in its manifest.json, or leave it out"
        for folder, manifest in manifests.items()
        if not manifest["samples"]
    ]
    seen: dict[str, str] = {}
    for folder, manifest in manifests.items():
        before = [seen[digest] for digest in (manifest["content"], manifest["fingerprint"]) if digest in seen]
        if before:
            problems.append(f"{FIELD}: {before[0]} and {folder} are the same data; give one, with the sum of weights")
        seen |= {manifest["content"]: folder, manifest["fingerprint"]: folder}
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


def _read(folder: str) -> Manifest:
    try:
        return read_manifest(folder)
    except InputError as error:
        raise InputError(f"{FIELD} {error}") from error
