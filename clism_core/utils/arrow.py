"""Arrow tables as bytes."""

import pyarrow as pa
import pyarrow.parquet as pq


def stream_bytes(table: pa.Table) -> bytes:
    """Return `table` in the Arrow IPC streaming format."""
    content = pa.BufferOutputStream()
    with pa.ipc.new_stream(content, table.schema) as stream:
        stream.write_table(table)
    return bytes(content.getvalue().to_pybytes())


def parquet_bytes(table: pa.Table) -> bytes:
    """Return `table` as a Parquet file."""
    content = pa.BufferOutputStream()
    pq.write_table(table, content, compression="zstd")
    return bytes(content.getvalue().to_pybytes())
