import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clism_core.utils.arrow import parquet_bytes, stream_bytes


@pytest.mark.parametrize("rows", [0, 3])
def test_tables_come_back(rows: int) -> None:
    schema = pa.schema([("text", pa.string()), ("numbers", pa.list_(pa.int8()))])
    table = pa.Table.from_pylist([{"text": "é", "numbers": [1, 2]}] * rows, schema=schema)
    streamed = pa.ipc.open_stream(stream_bytes(table)).read_all()
    for found in (streamed, pq.read_table(pa.BufferReader(parquet_bytes(table)))):
        assert found.schema == schema
        assert found.to_pylist() == [{"text": "é", "numbers": [1, 2]}] * rows
