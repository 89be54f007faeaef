"""Manifest of prepared data: its content and provenance; written last."""

import hashlib
import importlib.metadata
import json
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict, cast

from clism_core.preparation.statistics import BlockStatistics, Statistics
from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.output_lock import LOCK

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"
"""File that marks an output folder during the preparation, so that an interrupted run can resume in it."""

SAMPLES, REJECTS = "samples", "rejects"
WORK = "unfinished"
"""Folder of the stages' intermediate results, until the data is finished."""


class PairCounts(TypedDict):
    """Counts of one language pair; `rows` = `samples` + the sum of `rejects`."""

    rows: int
    samples: int
    spans: int
    rejects: dict[str, int]
    beyond_cap: int
    markup: NotRequired[int]
    """Number of rows from which the residue of markup was removed; missing in manifests of older versions."""
    partial_answers: NotRequired[int]
    """Number of spans that were left out because their answers would be partial; missing like `markup`."""
    statistics: NotRequired[Statistics]
    """Missing in manifests of older versions."""


def pair_counts(
    block: BlockStatistics, *, beyond_cap: int, markup: int | None = None, partial_answers: int | None = None
) -> PairCounts:
    """Return the manifest's entry for a language pair, given the statistics of all of its rows."""
    counts = PairCounts(
        rows=block["rows"],
        samples=block["samples"],
        spans=block["spans"],
        rejects=block["rejects"],
        beyond_cap=beyond_cap,
        statistics=block["statistics"],
    )
    if markup is not None:
        counts["markup"] = markup
    if partial_answers is not None:
        counts["partial_answers"] = partial_answers
    return counts


class ListedFile(TypedDict):
    """A file of samples or rejects."""

    rows: int
    bytes: int
    sha256: str
    """Digest of its content, in hexadecimal."""


class Manifest(TypedDict):
    """Content of `manifest.json`."""

    samples: int
    rejects: int
    pairs: dict[str, PairCounts]
    config: dict[str, Any]
    versions: dict[str, str]
    fingerprint: str
    """Digest of everything that determines the samples: inputs, config and versions."""
    content: str
    """Digest of the samples."""
    input_digests: NotRequired[dict[str, int]]
    """Number of input files by the kind of digest (`FileDigest.kind`) in `fingerprint`; missing in manifests of older
    versions."""
    files: NotRequired[dict[str, ListedFile]]
    """Files of samples and rejects, by path relative to the folder; missing in manifests of older versions."""


_TYPES: dict[str, type] = {
    "samples": int,
    "rejects": int,
    "pairs": dict,
    "config": dict,
    "versions": dict,
    "fingerprint": str,
    "content": str,
    "files": dict,
}


def read_manifest(folder: str) -> Manifest:
    """Return the manifest of prepared data.

    Raises:
        InputError: if the folder is missing, or does not contain finished data of this version.
    """
    if storage.exists(storage.join(folder, MANIFEST)):
        manifest = cast(Manifest, storage.read_json(storage.join(folder, MANIFEST)))
        if missing := sorted(Manifest.__required_keys__ - manifest.keys()):
            raise InputError(
                f"{folder}: incompatible {MANIFEST}, written by another version of this project: missing "
                f"{', '.join(missing)}; prepare the data again, in another folder"
            )
        wrong = [name for name, kind in _TYPES.items() if not isinstance(manifest.get(name, kind()), kind)]
        if wrong or not all(map(_is_listed, manifest.get("files", {}).values())):
            raise InputError(
                f"{folder}: damaged {MANIFEST}: {', '.join(wrong or ['files'])} of the wrong type; restore it from a "
                "copy, or prepare the data again, in another folder"
            )
        return manifest
    if not storage.exists(folder):
        raise InputError(f"{folder}: no such folder; create it with the job prepare, --output {folder}")
    if storage.exists(storage.join(folder, UNFINISHED)):
        raise InputError(f"{folder}: its preparation is unfinished; run the same command of prepare again to resume it")
    raise InputError(f"{folder}: no prepared data: {MANIFEST} not found; create it with the job prepare")


def _is_listed(file: object) -> bool:
    return isinstance(file, dict) and ListedFile.__required_keys__ <= file.keys()


def open_output(folder: str, *, fingerprint: str) -> Manifest | None:
    """Mark `folder` as the output of a run; return the manifest if it already contains the same data, finished.

    The intermediate results of an interrupted run are kept if its fingerprint is the same. An interrupted run with
    another fingerprint is replaced if it has not written samples or rejects yet.

    Raises:
        InputError: if `folder` contains anything else.
    """
    files = [file for file in storage.list_files(folder) if posixpath.basename(file) != LOCK]
    if storage.exists(storage.join(folder, MANIFEST)):
        manifest = read_manifest(folder)
        if manifest["fingerprint"] != fingerprint:
            raise InputError(
                f"output: {folder} contains data prepared from other inputs, with another config or other versions; "
                "choose another folder"
            )
        _remove_work(folder)  # in case the run was killed before it did
        return manifest
    if storage.exists(storage.join(folder, UNFINISHED)):
        begun = storage.read_json(storage.join(folder, UNFINISHED))
        if begun["fingerprint"] == fingerprint:
            return None
        if any(storage.list_files(storage.join(folder, part)) for part in (SAMPLES, REJECTS)):
            raise InputError(
                f"output: {folder} contains an unfinished preparation of other inputs, with another config or other "
                "versions; choose another folder, or delete it"
            )
    elif files:
        raise InputError(f"output: {folder} is not empty; choose another folder")
    storage.write_json(storage.join(folder, UNFINISHED), {"fingerprint": fingerprint})
    return None


def finish_output(folder: str, manifest: Manifest) -> None:
    """Write the manifest, which marks the data in `folder` as finished, and delete intermediate results."""
    storage.write_json(storage.join(folder, MANIFEST), manifest)
    _remove_work(folder)


def _remove_work(folder: str) -> None:
    storage.delete(storage.join(folder, WORK))
    for part in (SAMPLES, REJECTS):
        for file in storage.list_files(storage.join(folder, part)):
            if posixpath.basename(file).startswith("."):  # incomplete file of a killed process
                storage.delete(file)
    storage.delete(storage.join(folder, UNFINISHED))


def fingerprint(*, inputs: Sequence[Sequence[str]], config: dict[str, Any], versions: dict[str, str]) -> str:
    """Return the SHA-256, in hex, of the input files' digests (a list per corpus), `config` and `versions`."""
    parts = {"inputs": inputs, "config": config, "versions": versions}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def content_digest(files: Mapping[str, ListedFile], shards: Iterable[str]) -> str:
    """Return the digest of the samples: the SHA-256, in hex, of the list of digests of the shards' files of samples, in
    order, with null for a shard without samples."""
    digests = [files[file]["sha256"] if (file := sample_file(shard)) in files else None for shard in shards]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def sample_file(shard: str) -> str:
    """Return the path of the samples of a shard, relative to the folder."""
    return f"{SAMPLES}/{shard}.parquet"


def reject_file(shard: str) -> str:
    """Return the path of the rejects of a shard, relative to the folder."""
    return f"{REJECTS}/{shard}.parquet"


def package_versions(*names: str) -> dict[str, str]:
    """Return the installed versions of packages; "unknown" for programs that were not installed by pip."""
    versions = {}
    for name in names:
        distributions = importlib.metadata.distributions(name=name)
        versions[name] = next((distribution.version for distribution in distributions), "unknown")
    return versions
