"""The manifest of prepared data: what is in the folder, what it was made from; written last."""

import hashlib
import importlib.metadata
import json
import posixpath
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from clism_core.preparation.statistics import BlockStatistics, Statistics
from clism_core.utils import storage
from clism_core.utils.errors import InputError

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"
"""Marks a folder as ours while it is being written, so that a run that was broken off can be repeated."""

SAMPLES, REJECTS = "samples", "rejects"
WORK = "unfinished"
"""The folder of what the stages leave for one another, until the data is finished."""


class PairCounts(TypedDict):
    """Counts of one language pair; `rows` = `samples` + the sum of `rejects`."""

    rows: int
    samples: int
    spans: int
    rejects: dict[str, int]
    beyond_cap: int
    statistics: NotRequired[Statistics]
    """Older versions of this project have not written them."""


def pair_counts(block: BlockStatistics, *, beyond_cap: int) -> PairCounts:
    """Return what the manifest keeps of the statistics of all rows of a language pair."""
    return PairCounts(
        rows=block["rows"],
        samples=block["samples"],
        spans=block["spans"],
        rejects=block["rejects"],
        beyond_cap=beyond_cap,
        statistics=block["statistics"],
    )


class Manifest(TypedDict):
    """What `manifest.json` holds."""

    samples: int
    rejects: int
    pairs: dict[str, PairCounts]
    config: dict[str, Any]
    versions: dict[str, str]
    fingerprint: str
    """Of what the samples were made from: inputs, config and versions."""
    content: str
    """Of the samples themselves."""
    input_digests: NotRequired[dict[str, int]]
    """Number of input files that `fingerprint` knows by each kind of digest (`FileDigest.kind`); not in manifests of
    older versions."""


def read_manifest(folder: str) -> Manifest:
    """Return the manifest of prepared data; raises `InputError` where `folder` holds none, or an unfinished run."""
    if storage.exists(storage.join(folder, MANIFEST)):
        manifest: Manifest = storage.read_json(storage.join(folder, MANIFEST))
        if missing := sorted(Manifest.__required_keys__ - manifest.keys()):
            raise InputError(
                f"{folder}: its {MANIFEST} has no {', '.join(missing)}, so another version of this project has made "
                "it; prepare the data again, into another folder"
            )
        return manifest
    if not storage.exists(folder):
        raise InputError(f"{folder}: no such folder; make it with python jobs/prepare.py --output {folder}")
    if storage.exists(storage.join(folder, UNFINISHED)):
        raise InputError(f"{folder}: its preparation was broken off; run the same python jobs/prepare.py again")
    raise InputError(f"{folder}: no prepared data, for it has no {MANIFEST}; python jobs/prepare.py makes some")


def open_output(folder: str, *, fingerprint: str) -> Manifest | None:
    """Make `folder` ready to be written to; return the manifest where the same data is there already.

    What a run of the same fingerprint has left when it was broken off stays; another one gives way where it has made no
    samples or rejects yet. Raises `InputError` where `folder` holds anything else.
    """
    files = storage.list_files(folder)
    if storage.exists(storage.join(folder, MANIFEST)):
        manifest = read_manifest(folder)
        if manifest["fingerprint"] != fingerprint:
            raise InputError(
                f"output: {folder} holds data prepared from other inputs, another config or other versions; choose "
                "another folder"
            )
        _remove_work(folder)  # the run may have been killed before it could
        return manifest
    if storage.exists(storage.join(folder, UNFINISHED)):
        begun = storage.read_json(storage.join(folder, UNFINISHED))
        if begun["fingerprint"] == fingerprint:
            return None
        if any(storage.list_files(storage.join(folder, part)) for part in (SAMPLES, REJECTS)):
            raise InputError(
                f"output: {folder} holds an unfinished preparation of other inputs, another config or other versions; "
                "choose another folder, or delete it"
            )
    elif files:
        raise InputError(f"output: {folder} is not empty; choose another folder")
    storage.write_json(storage.join(folder, UNFINISHED), {"fingerprint": fingerprint})
    return None


def finish_output(folder: str, manifest: Manifest) -> None:
    """Write the manifest, which makes `folder` prepared data, and remove what the stages have left."""
    storage.write_json(storage.join(folder, MANIFEST), manifest)
    _remove_work(folder)


def _remove_work(folder: str) -> None:
    storage.delete(storage.join(folder, WORK))
    for part in (SAMPLES, REJECTS):
        for file in storage.list_files(storage.join(folder, part)):
            if posixpath.basename(file).startswith("."):  # a file that a killed process was writing
                storage.delete(file)
    storage.delete(storage.join(folder, UNFINISHED))


def fingerprint(*, inputs: Sequence[Sequence[str]], config: dict[str, Any], versions: dict[str, str]) -> str:
    """Return the SHA-256, in hex, of digests of the input files (a list for each corpus), `config` and `versions`."""
    parts = {"inputs": inputs, "config": config, "versions": versions}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def package_versions(*names: str) -> dict[str, str]:
    """Return the installed versions of `names`, "unknown" for a program that did not come with pip."""
    found = {}
    for name in names:
        distributions = importlib.metadata.distributions(name=name)
        found[name] = next((distribution.version for distribution in distributions), "unknown")
    return found
