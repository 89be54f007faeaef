"""Verification of prepared data: every file is read and compared with the manifest, and every row is checked."""

import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clism_core.preparation.integrity import REMEDY, listing_problems, parquet_sizes
from clism_core.preparation.manifest import (
    MANIFEST,
    REJECTS,
    SAMPLES,
    ListedFile,
    Manifest,
    content_digest,
    read_manifest,
)
from clism_core.preparation.row_checks import (
    SIDES,
    Integers,
    RowProblem,
    check_rows,
    column_problems,
    convert_rows,
    lacks_words,
    null_problems,
)
from clism_core.preparation.schema import REJECT_SCHEMA, SAMPLE_SCHEMA, RejectReason
from clism_core.preparation.source_hash import SAMPLE_FILE_SCHEMA, SOURCE_HASH, source_hashes
from clism_core.utils import storage
from clism_core.utils.arrow import parquet_file
from clism_core.utils.errors import InputError
from clism_core.utils.progress import Progress

_ROWS_AT_ONCE = 8192
_REJECT_SCHEMA = pa.schema([REJECT_SCHEMA.field(name) for name in ("input", "line", "reason")])
"""Columns of rejects that all versions have written, and that are never null."""


def verify(folder: str) -> str:
    """Read all files of prepared data, and return a text that says that they have no problems.

    The files are compared with the manifest by name, size and digest, and their samples, spans and rejects by number.
    Rows are checked for nulls, offsets outside of the texts, overlaps, links between words that do not exist, missing
    words, hashes of source sentences, and ids that occur more than once. In memory are one file at a time, and all ids.

    Raises:
        InputError: if the folder has no prepared data; or with all problems, one per line: the file, the rows (from 1),
            and what is wrong.
    """
    manifest = read_manifest(folder)
    sizes = parquet_sizes(folder, SAMPLES) | parquet_sizes(folder, REJECTS)
    verification = _Verification(folder, manifest)
    problems = list(listing_problems(sizes, manifest["files"])) if "files" in manifest else []
    is_complete = not problems
    problems += [problem for name in sizes for problem in verification.file_problems(name)]
    problems += verification.repeated_ids()
    if is_complete:  # otherwise, the numbers differ for the reasons above
        problems += verification.count_problems()
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise InputError(f"{folder}: {len(problems):,} problem{'s' if len(problems) > 1 else ''}; {REMEDY}:{lines}")
    return (
        f"{folder}: no problems in {manifest['samples']:,} samples and {manifest['rejects']:,} rejects, in "
        f"{len(sizes):,} files"
    )


class _Verification:
    """Verification of the files of one folder, and what it has read so far."""

    def __init__(self, folder: str, manifest: Manifest) -> None:
        self._folder = folder
        self._manifest = manifest
        self._files: dict[str, ListedFile] = {}
        self._ids: list[pa.Array] = []
        self._samples, self._spans = Counter[str](), Counter[str]()
        self._progress = Progress("verifying", total=manifest["samples"] + manifest["rejects"])

    def file_problems(self, name: str) -> Iterator[str]:
        """Read a file of samples or rejects, given by its path relative to the folder, and yield its problems."""
        content = storage.read_bytes(storage.join(self._folder, name))
        digest, rows = hashlib.sha256(content).hexdigest(), 0
        listed = self._manifest.get("files", {}).get(name)
        if listed is not None and listed["bytes"] == len(content) and listed["sha256"] != digest:
            yield f"{name}: the content has changed since the preparation"
        found: dict[str, list[Integers]] = {}
        try:
            with parquet_file(name, content) as parquet:
                is_sample = name.startswith(f"{SAMPLES}/")
                schema = _sample_schema(parquet.schema_arrow) if is_sample else _REJECT_SCHEMA
                if wrong := column_problems(parquet.schema_arrow, schema):
                    yield f"{name}: {'; '.join(wrong)}"
                    return
                check = self._check_samples if is_sample else _check_rejects
                for batch in parquet.iter_batches(batch_size=_ROWS_AT_ONCE, columns=schema.names):
                    for text, numbers in check(pa.Table.from_batches([batch]).select(schema.names)):
                        found.setdefault(text, []).append(numbers + rows + 1)
                    rows += batch.num_rows
                    self._progress.add(batch.num_rows)
        except InputError as error:
            yield str(error)
        self._files[name] = ListedFile(rows=rows, bytes=len(content), sha256=digest)
        yield from (f"{name}, {_ranges(np.concatenate(numbers))}: {text}" for text, numbers in found.items())

    def _check_samples(self, table: pa.Table) -> Iterator[RowProblem]:
        samples, numbers, problems = check_rows(table)
        yield from problems
        if (no_words := lacks_words(samples)).any():
            yield RowProblem("source or target has no words", numbers[no_words])
        if SOURCE_HASH in samples.column_names:
            hashes = source_hashes(source or "" for source in samples["source"].to_pylist())
            differs = hashes != pc.fill_null(samples[SOURCE_HASH], 0).to_numpy()
            if differs.any():
                yield RowProblem(f"{SOURCE_HASH} is not that of the source", numbers[differs])
        self._ids += samples["sample_id"].chunks
        spans = pc.fill_null(pc.list_value_length(samples["spans"]), 0).to_pylist()
        languages = (samples[f"{side}_lang"].to_pylist() for side in SIDES)
        for source_lang, target_lang, number in zip(*languages, spans, strict=True):
            self._samples[f"{source_lang}-{target_lang}"] += 1
            self._spans[f"{source_lang}-{target_lang}"] += number

    def repeated_ids(self) -> Iterator[str]:
        """Yield the ids of several samples."""
        counts = pc.value_counts(pa.chunked_array(self._ids, pa.string()).drop_null())
        repeated = counts.filter(pc.greater(counts.field("counts"), 1))
        yield from (f"{row['counts']:,} samples have the id {row['values']}" for row in repeated.to_pylist())

    def count_problems(self) -> Iterator[str]:
        """Yield the numbers of the manifest that differ from those of the files; for a manifest of an earlier version
        also whether the digest of all samples does."""
        manifest = self._manifest
        rejects = sum(file["rows"] for name, file in self._files.items() if name.startswith(f"{REJECTS}/"))
        numbers = {"samples": (self._samples.total(), manifest["samples"]), "rejects": (rejects, manifest["rejects"])}
        for pair, counts in manifest["pairs"].items():
            numbers[f"samples of {pair}"] = (self._samples[pair], counts["samples"])
            numbers[f"spans of {pair}"] = (self._spans[pair], counts["spans"])
        for what, (found, expected) in numbers.items():
            if found != expected:
                yield f"{found:,} {what} instead of the {expected:,} of {MANIFEST}"
        if "files" not in manifest and manifest["pairs"]:
            shards = {posixpath.basename(name).removesuffix(".parquet") for name in self._files}
            in_order = [shard for pair in manifest["pairs"] for shard in sorted(shards) if _pair(shard) == pair]
            if content_digest(self._files, in_order) != manifest["content"]:
                yield f"the samples have changed since the preparation: their digest is not that of {MANIFEST}"


def _pair(shard: str) -> str:
    """Return the language pair in the name of a shard, such as `en-ar-00-000000001`."""
    return shard.rsplit("-", 2)[0]


def _sample_schema(found: pa.Schema) -> pa.Schema:
    """Return the schema of samples; earlier versions have not written `source_hash`."""
    return SAMPLE_FILE_SCHEMA if SOURCE_HASH in found.names else SAMPLE_SCHEMA


def _check_rejects(table: pa.Table) -> Iterator[RowProblem]:
    rejects, numbers, problems = convert_rows(table, _REJECT_SCHEMA)
    yield from problems
    for name in rejects.column_names:
        yield from (RowProblem(text, numbers[rows]) for text, rows in null_problems(rejects, name))
    is_known = pc.is_in(rejects["reason"], value_set=pa.array([*RejectReason, None], pa.string())).to_numpy()
    if not is_known.all():
        yield RowProblem("reason is unknown", numbers[~is_known])


def _ranges(rows: Integers) -> str:
    """Return ascending row numbers as text, such as `rows 3, 17-20`."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    texts = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(texts)}"
