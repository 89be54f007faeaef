import ast
import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pickled import TYPE_NAME, TouchFile, pickled_column
from ray.data.extensions import ArrowPythonObjectType

from clism_core.utils.arrow import (
    check_types,
    open_parquet,
    open_parquet_dataset,
    parquet_bytes,
    read_stream,
    stream_bytes,
    stream_schema,
)
from clism_core.utils.errors import InputError
from clism_core.utils.storage import filesystem

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("rows", [0, 3])
def test_tables_come_back(rows: int) -> None:
    schema = pa.schema([("text", pa.string()), ("numbers", pa.list_(pa.int8()))])
    table = pa.Table.from_pylist([{"text": "é", "numbers": [1, 2]}] * rows, schema=schema)
    parquet = open_parquet(pa.BufferReader(parquet_bytes(table)), title="x").read()
    for found in (read_stream(stream_bytes(table), title="x"), parquet):
        assert found.schema == schema
        assert found.to_pylist() == [{"text": "é", "numbers": [1, 2]}] * rows


def in_struct(values: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([pa.array(["a"]), values], names=["text", "inner"])


def in_list(values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), values)


def in_map(values: pa.Array) -> pa.Array:
    return pa.MapArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["key"]), values)


NESTINGS = [
    pytest.param(lambda values: values, id="column"),
    pytest.param(in_struct, id="struct"),
    pytest.param(in_list, id="list"),
    pytest.param(in_map, id="map"),
    pytest.param(lambda values: in_list(in_struct(in_map(values))), id="deep"),
]


@pytest.mark.parametrize("nest", NESTINGS)
def test_columns_that_would_be_unpickled_are_refused(nest: Callable[[pa.Array], pa.Array], tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    table = pa.table({"text": ["a"], "more": nest(pickled_column(touched))})
    message = f"file: the column 'more' has the extension type {TYPE_NAME}"
    with pytest.raises(InputError, match=message):
        open_parquet(io.BytesIO(parquet_bytes(table)), title="file")
    with pytest.raises(InputError, match=message):
        read_stream(stream_bytes(table), title="file")
    with pytest.raises(InputError, match=message):
        stream_schema(stream_bytes(table), title="file")
    assert not touched.exists()
    table.to_pylist()
    assert touched.exists(), "the table is harmless, so that the test shows nothing"


INNER = pa.field("inner", pa.large_binary(), metadata={"ARROW:extension:name": TYPE_NAME})


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(pa.dictionary(pa.int32(), ArrowPythonObjectType()), id="dictionary"),
        pytest.param(pa.large_list(ArrowPythonObjectType()), id="large_list"),
        pytest.param(pa.list_view(ArrowPythonObjectType()), id="list_view"),
        pytest.param(pa.list_(ArrowPythonObjectType(), 2), id="fixed_size_list"),
        pytest.param(pa.sparse_union([pa.field("inner", ArrowPythonObjectType())]), id="union"),
        pytest.param(pa.run_end_encoded(pa.int32(), ArrowPythonObjectType()), id="run_end_encoded"),
        pytest.param(pa.struct([INNER]), id="unknown-in-struct"),
        pytest.param(pa.list_(INNER), id="unknown-in-list"),
        pytest.param(pa.map_(pa.string(), INNER), id="unknown-in-map"),
        pytest.param(pa.fixed_shape_tensor(pa.int8(), [2]), id="tensor"),
    ],
)
def test_extension_types_are_found_in_all_nested_types(kind: pa.DataType) -> None:
    with pytest.raises(InputError, match="'more'"):
        check_types(pa.schema([("text", pa.string()), ("more", kind)]), title="file")


def test_type_that_this_process_does_not_know_is_refused() -> None:
    """Another process of the job may know it: the schema has its name as metadata of the field."""
    field = pa.field("more", pa.large_binary(), metadata={"ARROW:extension:name": "other.type"})
    content = stream_bytes(pa.table([pa.array([b"x"], pa.large_binary())], schema=pa.schema([field])))
    with pytest.raises(InputError, match=r"'more' has the extension type other\.type"):
        read_stream(content, title="file")


def test_type_that_cannot_be_restored_is_an_input_error() -> None:
    """Earlier versions of Ray Data wrote shapes of tensors as pickles, which its present one refuses to load."""
    metadata = {"ARROW:extension:name": "ray.data.arrow_tensor", "ARROW:extension:metadata": pickle.dumps((2,))}
    schema = pa.schema([pa.field("more", pa.list_(pa.int64()), metadata=metadata)])
    sink = io.BytesIO()
    pq.write_table(pa.table([pa.array([[1, 2]], pa.list_(pa.int64()))], schema=schema), sink)
    with pytest.raises(InputError, match=r"^file: a column has an extension type that is not supported: "):
        open_parquet(sink, title="file")


def test_columns_that_are_not_read_may_have_any_type(tmp_path: Path) -> None:
    table = pa.table({"pair": in_struct(pickled_column(tmp_path / "touched")), "pair2": ["a"]})
    content = parquet_bytes(table)
    assert open_parquet(io.BytesIO(content), title="file", columns=["pair2"]).read(["pair2"]).to_pylist() == [
        {"pair2": "a"}
    ]
    with pytest.raises(InputError, match="'pair'"):
        open_parquet(io.BytesIO(content), title="file", columns=["pair.text"])


def test_logical_types_of_parquet_are_values() -> None:
    table = pa.table({"id": pa.array([b"0123456789abcdef"], pa.uuid()), "record": pa.array(['{"a": 1}'], pa.json_())})
    (row,) = open_parquet(io.BytesIO(parquet_bytes(table)), title="file").read().to_pylist()
    assert (row["id"].bytes, row["record"]) == (b"0123456789abcdef", '{"a": 1}')


def test_data_set_has_the_types_of_its_schema(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    (tmp_path / "x.parquet").write_bytes(parquet_bytes(pa.table({"more": pickled_column(touched)})))
    store, inner = filesystem(str(tmp_path / "x.parquet"))
    schema = pa.schema([("more", pa.large_binary())])
    (row,) = open_parquet_dataset(inner, schema=schema, store=store).to_table().to_pylist()
    assert row["more"] == pickle.dumps(TouchFile(touched))
    assert not touched.exists()
    with pytest.raises(InputError, match="'more'"):
        open_parquet_dataset(inner, schema=pa.schema([("more", ArrowPythonObjectType())]), store=store)


READERS = {
    *("read_table", "read_metadata", "read_schema", "read_pandas", "ParquetFile", "ParquetDataset"),  # pyarrow.parquet
    *("open_stream", "open_file", "RecordBatchStreamReader", "RecordBatchFileReader"),  # pyarrow.ipc
    *("FileSystemDataset", "ParquetFileFormat", "parquet_dataset"),  # pyarrow.dataset, beside its function `dataset`
    *("read_parquet", "read_feather", "read_orc", "from_parquet"),  # pandas, Ray Data, DuckDB, datasets
}
"""Functions and classes that read Arrow and Parquet files."""
MODULES = {"pyarrow.feather", "pyarrow.orc", "pyarrow.ipc", "pyarrow.flight"}


def reader_calls(source: str) -> Iterator[str]:
    """Yield the readers of Arrow and Parquet files to which a module refers."""
    tree = ast.parse(source)
    data_sets = {"pa.dataset", "pyarrow.dataset"}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        for alias in [] if prefix.startswith("clism_core.") else node.names:
            name = prefix + alias.name
            if name == "pyarrow.dataset":
                data_sets.add(alias.asname or alias.name)
            if name in {*MODULES, "pyarrow.dataset.dataset"} or (prefix and alias.name in READERS):
                yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (
            node.attr in READERS or (node.attr == "dataset" and ast.unparse(node.value) in data_sets)
        ):
            yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "read_parquet(" in node.value.lower():
            yield node.value


@pytest.mark.parametrize(
    "source",
    [
        "import pyarrow.parquet as pq\npq.read_table(x)",
        "from pyarrow.parquet import ParquetFile",
        "import pyarrow as pa\npa.ipc.open_stream(x)",
        "from pyarrow import feather",
        "import pyarrow.feather",
        "import pyarrow.dataset as pds\npds.dataset(x)",
        "from pyarrow.dataset import dataset",
        "import pandas as pd\npd.read_parquet(x)",
        "import ray\nray.data.read_parquet(x)",
        "import duckdb\nduckdb.sql('SELECT * FROM read_parquet($1)')",
    ],
)
def test_readers_are_found(source: str) -> None:
    assert list(reader_calls(source))


def test_files_are_opened_in_one_place() -> None:
    tops = ("clism_core", "jobs", "tune_spaces", "benchmarks")
    product = [file for top in tops for file in (ROOT / top).rglob("*.py")]
    assert len(product) > 100
    found = {str(file.relative_to(ROOT)): list(reader_calls(file.read_text())) for file in product}
    assert {file: calls for file, calls in found.items() if calls and file != "clism_core/utils/arrow.py"} == {}
    assert found["clism_core/utils/arrow.py"]
