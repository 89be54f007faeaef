"""Statistics of existing prepared data, computed from its files."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds

from clism_core.preparation.manifest import REJECTS, SAMPLES, Manifest, PairCounts, pair_counts, read_manifest
from clism_core.preparation.schema import REJECT_SCHEMA, SAMPLE_SCHEMA
from clism_core.preparation.statistics import BlockStatistics, block_statistics, merge_statistics
from clism_core.utils import storage
from clism_core.utils.arrow import open_parquet_dataset, parquet_errors
from clism_core.utils.language_pair import LanguagePair

_ROWS_AT_ONCE = 8192


def manifest_with_statistics(folder: str) -> Manifest:
    """Return the manifest of prepared data; missing statistics are computed from the files, which takes a while.

    Raises `InputError` if `folder` does not contain prepared data.
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
    """Return the statistics of prepared data by language pair, computed from its files of samples and rejects.

    Files are streamed, a few thousand rows at a time. Columns that an older version of this project did not write are
    treated as null, such as `origin` of rejects.
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
    """Yield the rows of the Parquet files in `folder`, as tables of one language pair each."""
    if not storage.exists(folder):  # if all rows are samples, or all are rejects, there is only one of the folders
        return
    store, inner = storage.filesystem(folder)
    with parquet_errors(folder):
        yield from _pair_tables(open_parquet_dataset(inner, schema=schema, store=store))


def _pair_tables(files: pds.Dataset) -> Iterator[tuple[str, pa.Table]]:
    for batch in files.to_batches(batch_size=_ROWS_AT_ONCE):
        table = pa.Table.from_batches([batch])
        languages = table.select(["source_lang", "target_lang"])
        for row in languages.group_by(languages.column_names).aggregate([]).to_pylist():
            is_of_pair = pc.and_(*(pc.equal(table[name], row[name]) for name in languages.column_names))
            yield str(LanguagePair.of(row)), table.filter(is_of_pair)
