from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_files import corpus

from clism_core.preparation.corpus import CappedRows, CorpusConfig, RawRow, check_corpus, read_rows
from clism_core.preparation.schema import RejectReason
from clism_core.utils import storage
from clism_core.utils.errors import InputError


def parquet(path: Path | str, **fields: Any) -> CorpusConfig:
    return corpus(path, format="parquet", **({"source_column": "en", "target_column": "de"} | fields))


def write_parquet(path: Path, *, row_group_size: int = 2, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def test_rows_are_numbered_across_row_groups(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "c.parquet",
        id=[1, 2, 3],
        de=["eins", None, "drei"],
        en=["one", "two", None],
        web=["x", None, ""],
    )
    assert list(read_rows(parquet(path, origin_column="web"))) == [
        RawRow(str(path), 1, "one", "eins", "x"),
        RawRow(str(path), 2, "two", ""),
        RawRow(str(path), 3, "", "drei"),
    ]


def test_structs(tmp_path: Path) -> None:
    translation = [{"en": "one", "de": "eins", "x": {"y": "z"}}, None, {"en": None, "de": "drei", "x": None}]
    path = write_parquet(tmp_path / "c.parquet", translation=translation, id=["a", "b", "c"])
    config = parquet(
        path, source_column="translation.en", target_column="translation.de", origin_column="translation.x.y"
    )
    assert list(read_rows(config)) == [
        RawRow(str(path), 1, "one", "eins", "z"),
        RawRow(str(path), 2, "", ""),
        RawRow(str(path), 3, "", "drei"),
    ]


@pytest.mark.parametrize("nested", [False, True])
def test_columns_whose_own_names_have_dots(tmp_path: Path, nested: bool) -> None:
    path = tmp_path / "c.parquet"
    table = pa.table({"t.en": ["one"], "t.de": ["eins"], "u": [{"v.w": "web"}]})
    if nested:
        table = table.append_column("t", pa.array([{"en": "two", "de": "zwei"}]))
    pq.write_table(table, path)
    config = parquet(path, source_column="t.en", target_column="t.de", origin_column="u.v.w")
    check_corpus(config)
    assert list(read_rows(config)) == [RawRow(str(path), 1, "one", "eins", "web")]


def test_one_file_without_origins_is_valid(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", en=["one"], de=["eins"], web=pa.nulls(1))
    write_parquet(tmp_path / "b.parquet", en=["two"], de=["zwei"], web=["x"])
    config = parquet(tmp_path, origin_column="web")
    check_corpus(config)
    assert [(row.source, row.origin) for row in read_rows(config)] == [("one", None), ("two", "x")]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(pa.string(), id="string"),
        pytest.param(pa.large_string(), id="large-string"),
        pytest.param(pa.string_view(), id="string-view"),
        pytest.param(pa.dictionary(pa.int32(), pa.string()), id="dictionary"),
        pytest.param(pa.binary(), id="binary"),
        pytest.param(pa.large_binary(), id="large-binary"),
    ],
)
def test_kinds_of_text(tmp_path: Path, kind: pa.DataType) -> None:
    path = write_parquet(tmp_path / "c.parquet", en=pa.array(["ä", None]).cast(kind), de=["eins", "zwei"])
    assert [row.source for row in read_rows(parquet(path))] == ["ä", ""]


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        pytest.param(pa.array([7, None]), "7", id="integer"),
        pytest.param(pa.array([1 << 63, 0], pa.uint64()), "9223372036854775808", id="large-integer"),
        pytest.param(pa.array([0.5, 1]), "0.5", id="float"),
        pytest.param(pa.array([True, False]), "true", id="truth-value"),
        pytest.param(pa.array([Decimal("1.20"), None]), "1.20", id="decimal"),
        pytest.param(pa.array([date(2020, 1, 2), None]), "2020-01-02", id="date"),
        pytest.param(pa.array([7, 8]).dictionary_encode(), "7", id="dictionary-of-integers"),
    ],
)
def test_origins_that_are_not_text(tmp_path: Path, origins: pa.Array, expected: str) -> None:
    path = write_parquet(tmp_path / "c.parquet", en=["one", "two"], de=["eins", "zwei"], x=origins, y=[{"z": 1}, None])
    check_corpus(parquet(path, origin_column="x"))
    assert next(iter(read_rows(parquet(path, origin_column="x")))).origin == expected
    assert [row.origin for row in read_rows(parquet(path, origin_column="y.z"))] == ["1", None]


def test_text_that_is_not_utf8_and_text_that_is_too_long(tmp_path: Path) -> None:
    english = pa.array([b"caf\xe9", b"x" * ((1 << 20) + 1), b"two"])
    path = write_parquet(tmp_path / "c.parquet", en=english, de=["eins", "zwei", "drei"])
    assert list(read_rows(parquet(path))) == [
        RawRow(str(path), 1, "caf\ufffd", "eins"),
        RawRow(str(path), 2, reason=RejectReason.TOO_LONG),
        RawRow(str(path), 3, "two", "drei"),
    ]


def test_files_in_a_bucket(bucket: str, tmp_path: Path) -> None:
    for name, text in (("b", "two"), ("a", "one")):
        path = write_parquet(tmp_path / "c.parquet", en=[text], de=["x"])
        storage.write_bytes(f"{bucket}/parquet/{name}.parquet", path.read_bytes())
    config = parquet(f"{bucket}/parquet")
    check_corpus(config)
    assert [(row.path[-9:], row.line, row.source) for row in read_rows(config)] == [
        ("a.parquet", 1, "one"),
        ("b.parquet", 1, "two"),
    ]


def test_rows_beyond_the_cap_are_counted(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "c.parquet", en=["a"] * 7, de=["b"] * 7)
    rows = CappedRows(parquet(path, max_pairs=3))
    assert [row.line for row in rows] == [1, 2, 3]
    assert rows.beyond_cap == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"source_column": "fr"}, "no column 'fr'; its text columns are en, t.de", id="missing"),
        pytest.param({"target_column": "t"}, "no column 't'; its text columns are en, t.de", id="struct"),
        pytest.param({"source_column": "id"}, "the column 'id' has type int64, not text", id="number"),
        pytest.param({"origin_column": "web"}, "no column 'web'", id="origin"),
        pytest.param({"source_column": "none"}, "the column 'none' has type null, not text", id="null-source"),
        pytest.param(
            {"target_column": 2}, "target_column is 2, but fields of format parquet have names", id="column-by-number"
        ),
    ],
)
def test_columns_that_cannot_be_used(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = write_parquet(tmp_path / "c.parquet", id=[1], en=["one"], t=[{"de": "eins"}], none=pa.nulls(1))
    with pytest.raises(InputError, match=message):
        check_corpus(parquet(path, **({"target_column": "t.de"} | fields)))


@pytest.mark.parametrize("field", ["source_column", "origin_column"])
def test_columns_of_one_name(tmp_path: Path, field: str) -> None:
    names, columns = ["en", "de", "x", "x"], [pa.array([text]) for text in ("one", "eins", "two", "zwei")]
    path = tmp_path / "c.parquet"
    pq.write_table(pa.table(columns, names=names), path)
    check_corpus(parquet(path))
    with pytest.raises(InputError, match=r"c\.parquet has 2 columns 'x'; rename or remove all but one"):
        check_corpus(parquet(path, **{field: "x"}))


def test_fields_of_one_name(tmp_path: Path) -> None:
    pair = pa.StructArray.from_arrays([pa.array(["one"]), pa.array(["two"])], names=["en", "en"])
    path = write_parquet(tmp_path / "c.parquet", t=pair, de=["eins"])
    with pytest.raises(InputError, match=r"c\.parquet has 2 columns 't\.en'"):
        check_corpus(parquet(path, source_column="t.en"))


def test_names_of_columns_cannot_move_the_cursor(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    pq.write_table(pa.table({"\x1b]0;x": ["one"], "y" * 81: ["eins"]}), path)
    with pytest.raises(InputError, match=r"its text columns are \\x1b\]0;x, y{80}\.\.\.$"):
        check_corpus(parquet(path))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda _: b"en\tde\none\teins\n", "c.parquet is not a Parquet file", id="tsv"),
        pytest.param(lambda content: content[:-10], "c.parquet cannot be read", id="truncated"),
    ],
)
def test_damaged_files(tmp_path: Path, damage: Any, message: str) -> None:
    path = write_parquet(tmp_path / "c.parquet", en=["one"], de=["eins"])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        check_corpus(parquet(path))
