"""Intermediate results of the stages of `prepare`, from which an interrupted run resumes.

A shard consists of consecutive rows of one corpus. It is read, aligned and written independently of other shards, and
named after its first row, so that its content does not depend on the worker or the order of the work.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as pds

from clism_core.preparation.manifest import UNFINISHED, WORK
from clism_core.preparation.schema import ROW_SCHEMA
from clism_core.utils import storage
from clism_core.utils.arrow import open_parquet, open_parquet_dataset, parquet_bytes
from clism_core.utils.errors import InputError
from clism_core.utils.staging_store import StagingStore

CLEANED = "rows"
"""Folder of the cleaned rows."""
LEARNT = "learnt"
"""Folder with a marker for each language pair whose duplicates and aligner are finished."""
NGRAMS = "ngrams"
"""Folder of the n-grams of source languages."""

_JSON_AT_ONCE = 32


class Shard(NamedTuple):
    """Consecutive rows of one corpus."""

    name: str
    corpus: int
    """Number of the corpus, from 0."""
    pair: str
    rows: int


class Work(StagingStore):
    """Staging store of a preparation, in the folder `unfinished` of its output.

    Work with other fingerprints is kept until the output is finished, so that a run with a mistaken option loses
    nothing of the run before it.
    """

    def __init__(self, output: str, *, fingerprint: str) -> None:
        key = {"the inputs, the config or the versions": fingerprint[:16]}
        super().__init__(storage.join(output, WORK), key)
        self._output = output
        self._fingerprint = fingerprint

    def check_owner(self) -> None:
        """Raise `InputError` if this node cannot see the output, or if another run has taken it over."""
        marker = storage.join(self._output, UNFINISHED)
        if not storage.exists(marker):
            raise InputError(
                f"output: {marker} is not visible on all nodes; give an s3:// path or one on shared storage"
            )
        if storage.read_json(marker)["fingerprint"] != self._fingerprint:
            raise InputError(
                f"output: {self._output} was taken over by another preparation, so this one stops; run one at a time "
                "for an output"
            )

    def write_rows(self, name: str, rows: pa.Table) -> None:
        """Write the cleaned rows of a shard, a table with `ROW_SCHEMA`."""
        self.write(parquet_bytes(rows), CLEANED, f"{name}.parquet")

    def read_rows(self, name: str) -> pa.Table:
        """Return the cleaned rows of a shard."""
        content = pa.BufferReader(self.read(CLEANED, f"{name}.parquet"))
        return open_parquet(content, title=self.path(CLEANED, f"{name}.parquet")).read()

    def open_rows(self, shards: list[Shard]) -> pds.Dataset:
        """Return the cleaned rows of several shards as a data set, which can be read as a stream."""
        store, inner = storage.filesystem(self.path(CLEANED))
        files = [storage.join(inner, f"{shard.name}.parquet") for shard in shards]
        return open_parquet_dataset(files, schema=ROW_SCHEMA, store=store)

    def read_all_json(self, part: str, names: list[str]) -> Iterator[Any]:
        """Yield the contents of the JSON files `names` in the folder `part`, in this order; few are in memory at a
        time."""
        files = [f"{name}.json" for name in names]
        contents = self.read_all(part, files, at_once=_JSON_AT_ONCE)
        for name, content in zip(files, contents, strict=True):
            yield storage.parse_json(content, self.path(part, name), advice=f"delete {self.root}")

    def duplicates_path(self, pair: str) -> str:
        """Return the path of the Parquet file with the sorted ids of duplicates of a language pair."""
        return self.path("duplicates", f"{pair}.parquet")

    def learnt_path(self, pair: str) -> str:
        """Return the path of what the aligner has learnt about a language pair."""
        return self.path("priors", f"{pair}.tsv")

    def read_learnt(self, pair: str) -> bytes:
        """Return what the aligner has learnt about a language pair; nothing for aligners that do not learn, whose file
        is missing in work of earlier versions."""
        path = self.learnt_path(pair)
        return storage.read_bytes(path) if storage.exists(path) else b""

    def ngrams_path(self, language: str) -> str:
        """Return the path of the n-grams of a source language."""
        return self.path(NGRAMS, f"{language}.json")
