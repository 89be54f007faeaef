"""Unfinished work of `prepare`: the results of each stage so far, from which an interrupted run resumes.

A shard is a number of consecutive rows of one corpus. It is read, aligned and written independently of the others,
and named after its first row, so that its content does not depend on who makes it, or when.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq

from clism_core.preparation.manifest import UNFINISHED, WORK
from clism_core.preparation.schema import ROW_SCHEMA
from clism_core.utils import storage
from clism_core.utils.arrow import parquet_bytes
from clism_core.utils.errors import InputError
from clism_core.utils.staging_store import StagingStore

CLEANED = "rows"
"""The part of the work that holds the cleaned rows."""
LEARNT = "learnt"
"""The part that says of which language pairs all is learnt."""
NGRAMS = "ngrams"
"""The part that holds the n-grams of the source languages."""

_JSON_AT_ONCE = 32


class Shard(NamedTuple):
    """Rows of one corpus that follow each other."""

    name: str
    corpus: int
    """The number of its corpus, from 0."""
    pair: str
    rows: int


class Work(StagingStore):
    """Unfinished work of a preparation, in the folder `unfinished` of its output."""

    def __init__(self, output: str, *, fingerprint: str) -> None:
        key = {"the inputs, the config or the versions": fingerprint[:16]}
        super().__init__(storage.join(output, WORK), key)
        self._output = output
        self._fingerprint = fingerprint

    def check_owner(self) -> None:
        """Raise `InputError` if this node does not see the output, or if another run has taken it over."""
        marker = storage.join(self._output, UNFINISHED)
        if not storage.exists(marker):
            raise InputError(f"output: a node does not see {marker}; give s3:// or storage that all nodes share")
        if storage.read_json(marker)["fingerprint"] != self._fingerprint:
            raise InputError(f"output: another preparation has taken over {self._output}; this one ends")

    def write_rows(self, name: str, rows: pa.Table) -> None:
        """Write the cleaned rows of a shard, a table of `ROW_SCHEMA`."""
        self.write(parquet_bytes(rows), CLEANED, f"{name}.parquet")

    def read_rows(self, name: str) -> pa.Table:
        """Return the cleaned rows of a shard."""
        return pq.read_table(pa.BufferReader(self.read(CLEANED, f"{name}.parquet")))

    def open_rows(self, shards: list[Shard]) -> pds.Dataset:
        """Return the rows of several shards, to be read as a stream."""
        store, inner = storage.filesystem(self.path(CLEANED))
        files = [storage.join(inner, f"{shard.name}.parquet") for shard in shards]
        return pds.dataset(files, schema=ROW_SCHEMA, format="parquet", filesystem=store)

    def read_all_json(self, part: str, names: list[str]) -> Iterator[Any]:
        """Yield the contents of the JSON files `names` of a part, in this order; a few of them are held at once."""
        files = [f"{name}.json" for name in names]
        return map(json.loads, self.read_all(part, files, at_once=_JSON_AT_ONCE))

    def duplicates_path(self, pair: str) -> str:
        """Return the path of the sorted ids of the duplicates of a language pair, a Parquet file."""
        return self.path("duplicates", f"{pair}.parquet")

    def priors_path(self, pair: str) -> str:
        """Return the path of what the aligner has learnt of a language pair."""
        return self.path("priors", f"{pair}.tsv")

    def ngrams_path(self, language: str) -> str:
        """Return the path of the n-grams of a source language."""
        return self.path(NGRAMS, f"{language}.json")
