"""Deduplication and random sampling over all rows of a language pair, in bounded memory.

DuckDB sorts the rows: it spills to disk whatever does not fit into its memory limit.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq

DUPLICATES_SCHEMA = pa.schema([("sample_id", pa.string())])
"""Schema of the file of duplicates."""
_MEMORY = "1GB"
_ROWS_PER_GROUP = 100_000


def find_duplicates(rows: pds.Dataset) -> bytes:
    """Return the sorted ids of rows that duplicate an earlier row, as a Parquet file with the column `sample_id`.

    `rows` are all rows of a language pair, of `ROW_SCHEMA`; rows without a digest are never duplicates.
    """
    query = """
        SELECT sample_id FROM (
            SELECT sample_id, row_number() OVER (PARTITION BY digest ORDER BY sample_id) AS place
            FROM corpus WHERE digest IS NOT NULL
        ) WHERE place > 1 ORDER BY sample_id
    """
    content = pa.BufferOutputStream()
    with _database(rows) as database, pq.ParquetWriter(content, DUPLICATES_SCHEMA) as writer:
        batches = database.sql(query).to_arrow_reader(_ROWS_PER_GROUP)
        assert batches is not None
        for batch in batches:
            writer.write_batch(batch)
    return bytes(content.getvalue().to_pybytes())


def draw_sample(rows: pds.Dataset, pairs: int) -> pa.Table:
    """Return the `pairs` pairs with the smallest hashes, which form a deterministic random sample.

    Duplicates count towards `pairs`, but are returned once.

    Returns:
        a table with the columns source, target, source_words and target_words, in the order of the hashes.
    """
    cutoff = (
        f"SELECT max(digest) FROM (SELECT digest FROM corpus WHERE digest IS NOT NULL ORDER BY digest LIMIT {pairs})"
    )
    query = f"""
        SELECT DISTINCT ON (digest) source, target, source_words, target_words
        FROM corpus WHERE digest <= ({cutoff}) ORDER BY digest
    """
    with _database(rows) as database:
        return database.sql(query).to_arrow_table()


@contextmanager
def _database(rows: pds.Dataset) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to an in-memory database with `rows` as the table `corpus`, which spills to disk."""
    with tempfile.TemporaryDirectory(prefix="clism-duckdb-") as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "temp_directory": folder,
            "threads": 1,
            "preserve_insertion_order": False,
        }
        with duckdb.connect(config=config) as database:
            database.execute("SET enable_progress_bar = false")
            database.register("corpus", rows)
            yield database
