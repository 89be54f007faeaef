"""The statistics of data that is prepared already, read from its files."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds

from clism_core.preparation.manifest import REJECTS, SAMPLES, Manifest, PairCounts, pair_counts, read_manifest
from clism_core.preparation.schema import REJECT_SCHEMA, SAMPLE_SCHEMA
from clism_core.preparation.statistics import BlockStatistics, block_statistics, merge_statistics
from clism_core.utils import storage

_ROWS_AT_ONCE = 8192


def manifest_with_statistics(folder: str) -> Manifest:
    """Return the manifest of prepared data; statistics that it lacks are computed from the files, which takes a while.

    Raises `InputError` where `folder` holds no prepared data.
    """
    manifest = read_manifest(folder)
    if all("statistics" in counts for counts in manifest["pairs"].values()):
        return manifest
    computed = statistics_of_folder(folder)
    nothing = merge_statistics([])
    pairs: dict[str, PairCounts] = {
        pair: pair_counts(computed.get(pair, nothing), beyond_cap=counts["beyond_cap"])
        for pair, counts in manifest["pairs"].items()
    }
    return Manifest(**{**manifest, "pairs": pairs})


def statistics_of_folder(folder: str) -> dict[str, BlockStatistics]:
    """Return the statistics of prepared data by language pair, from its files of samples and of rejects.

    They are read as a stream, a few thousand rows at once. A column that an older version of this project has not
    written counts as empty: rejects without `origin` are rows without one.
    """
    statistics: dict[str, BlockStatistics] = {}
    no_samples, no_rejects = SAMPLE_SCHEMA.empty_table(), REJECT_SCHEMA.empty_table()
    for pair, samples in _blocks(storage.join(folder, SAMPLES), SAMPLE_SCHEMA):
        block = block_statistics(samples, no_rejects)
        statistics[pair] = merge_statistics([statistics[pair], block]) if pair in statistics else block
    for pair, rejects in _blocks(storage.join(folder, REJECTS), REJECT_SCHEMA):
        block = block_statistics(no_samples, rejects)
        statistics[pair] = merge_statistics([statistics[pair], block]) if pair in statistics else block
    return statistics


def _blocks(folder: str, schema: pa.Schema) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows of the Parquet files in `folder`, each table of one language pair."""
    if not storage.exists(folder):  # there is no such folder where every row is of the other kind
        return
    store, inner = storage.filesystem(folder)
    files = pds.dataset(inner, schema=schema, format="parquet", filesystem=store)
    for batch in files.to_batches(batch_size=_ROWS_AT_ONCE):
        table = pa.Table.from_batches([batch])
        languages = table.select(["source_lang", "target_lang"])
        for row in languages.group_by(languages.column_names).aggregate([]).to_pylist():
            is_of_pair = pc.and_(*(pc.equal(table[name], row[name]) for name in languages.column_names))
            yield f"{row['source_lang']}-{row['target_lang']}", table.filter(is_of_pair)
