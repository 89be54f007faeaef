"""The last stage: samples and rejects leave in one pass, so that nothing before it runs twice."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ray.data import Datasink
from ray.data._internal.execution.interfaces import TaskContext
from ray.data.block import Block
from ray.data.datasource import WriteResult

from clism_core import storage
from clism_core.data.manifest import REJECTS, SAMPLES, UNFINISHED, PairCounts, no_rows
from clism_core.data.schema import REJECT_SCHEMA, SAMPLE_SCHEMA
from clism_core.errors import InputError

Counts = dict[str, PairCounts]


class Written(NamedTuple):
    """What a task has written: counts, and the hashes of the files of samples by their names."""

    counts: Counts
    digests: dict[str, str]


class PreparedDataSink(Datasink[Written]):
    """Writes each block as a file of samples and a file of rejects, named after its first row."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.counts: Counts = {}
        """By language pair; filled when the writing is complete, as is the next."""
        self.content = ""
        """SHA-256, in hex, of all files of samples."""

    def write(self, blocks: Iterable[Block], ctx: TaskContext) -> Written:  # noqa: ARG002 - Ray's signature
        """Write the blocks and return what is in them. A block holds rows of one language pair only."""
        if not storage.exists(storage.join(self._folder, UNFINISHED)):  # the driver has put it there
            raise InputError(f"output: a node does not see {self._folder}; give s3:// or shared storage")
        return _merge(self._write_block(block) for block in blocks if block.num_rows)

    def on_write_complete(self, write_result: WriteResult[Written]) -> None:
        """Add up what the tasks have written."""
        written = _merge(write_result.write_returns)
        self.counts = written.counts
        self.content = hashlib.sha256(json.dumps(written.digests, sort_keys=True).encode()).hexdigest()

    def _write_block(self, rows: pa.Table) -> Written:
        name = rows["sample_id"][0].as_py().replace("/", "-") + ".parquet"
        is_sample = pc.is_null(rows["reason"])
        samples, rejects = rows.filter(is_sample), rows.filter(pc.invert(is_sample))
        digests = {}
        for part, table, schema in ((SAMPLES, samples, SAMPLE_SCHEMA), (REJECTS, rejects, REJECT_SCHEMA)):
            if table.num_rows:
                content = pa.BufferOutputStream()
                pq.write_table(table.select(schema.names).cast(schema), content, compression="zstd")
                file = content.getvalue().to_pybytes()
                storage.write_bytes(storage.join(self._folder, part, name), file)
                if part == SAMPLES:
                    digests[name] = hashlib.sha256(file).hexdigest()
        pair = f"{rows['source_lang'][0].as_py()}-{rows['target_lang'][0].as_py()}"
        counts = PairCounts(
            rows=rows.num_rows,
            samples=samples.num_rows,
            spans=pc.sum(pc.list_value_length(samples["spans"])).as_py() or 0,
            rejects=dict(Counter(rejects["reason"].to_pylist())),
            beyond_cap=0,
        )
        return Written({pair: counts}, digests)


def _merge(parts: Iterable[Written]) -> Written:
    written = list(parts)
    digests = {name: digest for part in written for name, digest in part.digests.items()}
    return Written(merge_counts(part.counts for part in written), digests)


def merge_counts(parts: Iterable[Counts]) -> Counts:
    """Return the sum of `parts`."""
    total: Counts = {}
    for part in parts:
        for pair, counts in part.items():
            into = total.setdefault(pair, no_rows())
            into["rows"] += counts["rows"]
            into["samples"] += counts["samples"]
            into["spans"] += counts["spans"]
            into["rejects"] = dict(Counter(into["rejects"]) + Counter(counts["rejects"]))
    return total
