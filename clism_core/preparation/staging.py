"""The unfinished output of `prepare`: what each stage has written so far, from which a run that was broken off goes on.

A shard is so many rows of one corpus as they follow each other. It is read, aligned and written by itself, under a name
that its first row gives it, so that it comes out the same whoever makes it, and when.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq

from clism_core.preparation.manifest import UNFINISHED, WORK
from clism_core.preparation.schema import ROW_SCHEMA
from clism_core.utils import storage
from clism_core.utils.errors import InputError

CLEANED = "rows"
"""The part of the work that holds the cleaned rows."""
LEARNT = "learnt"
"""The part that says of which language pairs all is learnt."""
NGRAMS = "ngrams"
"""The part that holds the n-grams of the source languages."""

_READERS = 32  # small files, of which an object store may hold many


class Shard(NamedTuple):
    """Rows of one corpus that follow each other."""

    name: str
    corpus: int
    """The number of its corpus, from 0."""
    pair: str
    rows: int


class Work:
    """The files of a run on their way, below the folder `unfinished` of its output.

    Runs of another fingerprint have other places, so that one that still goes on somewhere cannot mix with this one.
    """

    def __init__(self, output: str, *, fingerprint: str) -> None:
        self._output = output
        self._fingerprint = fingerprint
        self._folder = storage.join(output, WORK, fingerprint[:16])

    def check_ours(self) -> None:
        """Raise `InputError` where the output is not seen from here, or another run has taken it over."""
        marker = storage.join(self._output, UNFINISHED)
        if not storage.exists(marker):
            raise InputError(f"output: a node does not see {marker}; give s3:// or storage that all nodes share")
        if json.loads(storage.read_bytes(marker))["fingerprint"] != self._fingerprint:
            raise InputError(f"output: another preparation has taken over {self._output}; this one ends")

    def write_rows(self, name: str, rows: pa.Table) -> None:
        """Keep the rows of a shard, a table of `ROW_SCHEMA`, as they were read and cleaned."""
        storage.write_bytes(self.path(CLEANED, f"{name}.parquet"), parquet_bytes(rows))

    def read_rows(self, name: str) -> pa.Table:
        """Return the rows of a shard."""
        return pq.read_table(pa.BufferReader(storage.read_bytes(self.path(CLEANED, f"{name}.parquet"))))

    def rows_of(self, shards: list[Shard]) -> pds.Dataset:
        """Return the rows of several shards, to be read as a stream."""
        store, inner = storage.filesystem(self._folder)
        files = [storage.join(inner, CLEANED, f"{shard.name}.parquet") for shard in shards]
        return pds.dataset(files, schema=ROW_SCHEMA, format="parquet", filesystem=store)

    def names(self, part: str) -> set[str]:
        """Return the names of what a part holds by now, without the ends of the files."""
        files = storage.list_files(self.path(part))
        return {file.rsplit("/", 1)[-1].rsplit(".", 1)[0] for file in files}

    def write_json(self, content: object, *place: str) -> None:
        """Keep `content` at a place below the folder."""
        storage.write_bytes(self.path(*place), json.dumps(content).encode())

    def read_json(self, *place: str) -> Any:
        """Return what `write_json` has kept; None where it has kept nothing."""
        path = self.path(*place)
        return json.loads(storage.read_bytes(path)) if storage.exists(path) else None

    def read_all_json(self, part: str, names: list[str]) -> Iterator[Any]:
        """Yield the contents of the JSON files `names` of a part, in this order; a few of them are held at once."""
        with ThreadPoolExecutor(_READERS) as readers:
            for first in range(0, len(names), 4 * _READERS):
                some = names[first : first + 4 * _READERS]
                yield from readers.map(lambda name: self.read_json(part, f"{name}.json"), some)

    def duplicates_path(self, pair: str) -> str:
        """Return the path of the sorted ids of the duplicates of a language pair, a Parquet file."""
        return self.path("duplicates", f"{pair}.parquet")

    def priors_path(self, pair: str) -> str:
        """Return the path of what the aligner has learnt of a language pair."""
        return self.path("priors", f"{pair}.tsv")

    def ngrams_path(self, language: str) -> str:
        """Return the path of the n-grams of a source language."""
        return self.path(NGRAMS, f"{language}.json")

    def path(self, *place: str) -> str:
        """Return the path of a place below the folder."""
        return storage.join(self._folder, *place)


def parquet_bytes(table: pa.Table) -> bytes:
    """Return `table` as a Parquet file."""
    content = pa.BufferOutputStream()
    pq.write_table(table, content, compression="zstd")
    return bytes(content.getvalue().to_pybytes())
