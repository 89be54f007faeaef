"""Samples of prepared data, read by Ray tasks."""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import ray

from clism_core.cluster.ray_data import configure_execution
from clism_core.preparation.manifest import SAMPLES
from clism_core.preparation.row_checks import check_rows, column_problems, sample_schema
from clism_core.preparation.source_hash import SOURCE_HASH, add_source_hash
from clism_core.pretraining.mixture import DataSet
from clism_core.utils.arrow import parquet_file
from clism_core.utils.errors import InputError
from clism_core.utils.storage import join, list_files

TASK_CPUS = 0.5
"""CPUs per task; a fraction, so that reading and tokenizing can run concurrently on one core."""
ROWS_AT_ONCE = 1024
"""Samples per read of a file, which are tokenized together."""
BLOCK_BYTES = 4 * 2**20
"""Block size, about 10,000 samples per task. Ray's default of 128 MiB would make a typical data set a single task."""

REMEDY = "restore the file, or prepare the data again; `prepare --verify FOLDER` lists all problems of a folder"


def read_samples(data_set: DataSet, columns: list[str]) -> ray.data.Dataset:
    """Return the samples of a prepared data set, with their stored ids.

    `source_hash` is computed for data of earlier versions, which do not contain it.

    Samples are read by tasks only, so that blocks of a lost node can be read again; `ray.data.read_parquet` uses actors
    to inspect the files, which are lost with their node.
    """
    return read_files(sample_files(data_set), read_file, columns)


def sample_files(data_set: DataSet) -> list[str]:
    """Return the sample files of a prepared data set."""
    return [file for file in list_files(join(data_set.folder, SAMPLES)) if file.endswith(".parquet")]


def read_files(files: Sequence[str], read: Callable[..., Iterator[pa.Table]], *arguments: object) -> ray.data.Dataset:
    """Return the rows that `read` yields, given a table with one file in the column `file`, and the arguments."""
    blocks = [pa.table({"file": [file]}) for file in files]
    rows = configure_execution(
        ray.data.from_blocks(blocks).map_batches(
            read, fn_args=arguments, batch_format="pyarrow", batch_size=1, num_cpus=TASK_CPUS
        )
    )
    rows.context.target_max_block_size = BLOCK_BYTES
    return rows


def read_file(batch: pa.Table, columns: list[str]) -> Iterator[pa.Table]:
    """Yield columns of the samples of the one file in the column `file` of `batch`.

    Raises:
        InputError: if the file is damaged, or a row is invalid; it names the file and the row.
    """
    (file,) = batch["file"].to_pylist()
    with parquet_file(file) as parquet:
        lacks_hash = SOURCE_HASH in columns and SOURCE_HASH not in parquet.schema_arrow.names
        stored = [*{"source" if lacks_hash and name == SOURCE_HASH else name: None for name in columns}]
        if wrong := column_problems(parquet.schema_arrow, sample_schema(stored)):
            raise InputError(f"{file}: {'; '.join(wrong)}; {REMEDY}")

        def complete(table: pa.Table) -> pa.Table:
            return (add_source_hash(table) if lacks_hash else table).select(columns)

        yield complete(sample_schema(stored).empty_table())  # a table even if the file has no rows
        first_row = 1
        for rows in parquet.iter_batches(batch_size=ROWS_AT_ONCE, columns=stored):
            samples, _, problems = check_rows(pa.Table.from_batches([rows]))
            if problems:
                first = min(problems, key=lambda problem: int(problem.rows[0]))
                raise InputError(f"{file}, row {first_row + first.rows[0]:,}: {first.text}; {REMEDY}")
            yield complete(samples)
            first_row += rows.num_rows


def add_id_prefix(table: pa.Table, id_prefix: str) -> pa.Table:
    """Return `table` with ids that are unique among the data sets of the run."""
    ids = pc.binary_join_element_wise(id_prefix, table["sample_id"], "")
    return table.set_column(table.schema.get_field_index("sample_id"), "sample_id", ids)


def folder_names(data_sets: Sequence[DataSet]) -> str:
    """Return the folders of data sets, for messages."""
    return ", ".join(data_set.folder for data_set in data_sets)
