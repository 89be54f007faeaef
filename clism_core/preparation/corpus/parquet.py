"""Reader of Parquet files with one pair per row, in small batches regardless of the size of the row groups."""

import itertools
from collections.abc import Generator

import pyarrow as pa

from clism_core.preparation.corpus.columns import ROWS_PER_BATCH, check_schema, read_batches, wanted_columns
from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.format import COLUMNS, Format
from clism_core.utils import storage
from clism_core.utils.arrow import open_parquet
from clism_core.utils.errors import InputError

_BUFFER = 1 << 20  # bytes buffered per column; by default, pyarrow buffers the whole row group


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` rows of a file and return its number of rows.

    Raises `InputError` if the file cannot be read to its end, or a configured column is missing or not text.
    """
    try:
        store, inner = storage.filesystem(path)
        with store.open_input_file(inner) as content:
            columns = wanted_columns(config)
            title = f"corpora: {path}"
            file = open_parquet(content, title=title, columns=columns, buffer_size=_BUFFER, pre_buffer=False)
            check_schema(file.schema_arrow, config, path=path)
            batches = file.iter_batches(batch_size=ROWS_PER_BATCH, columns=columns)
            yield from itertools.islice(read_batches(batches, config, path=path), limit)
            return int(file.metadata.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"corpora: {path} cannot be read: {error}") from error


FORMAT = Format(read=read, fields=COLUMNS, named_columns=True, file_type="Parquet")
