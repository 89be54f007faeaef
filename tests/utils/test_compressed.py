import bz2
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from clism_core.utils import storage
from clism_core.utils.compressed import Compression, compression_of_name, open_decompressed

TEXT = b"".join(b"line %d\n" % number for number in range(100_000))
SKIPPABLE = bytes.fromhex("502a4d18 04000000 66000000")
"""Frame with which `pzstd` begins: it holds the compressed size of the next one."""


def zstd(content: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    return bytes(packed.getvalue().to_pybytes())


def decompressed(path: Path | str, compression: Compression | None) -> bytes:
    blocks = []
    with open_decompressed(str(path), compression) as stream:
        while block := stream.read(1 << 16):
            blocks.append(block)
    return b"".join(blocks)


@pytest.mark.parametrize(
    ("name", "packed", "expected"),
    [
        pytest.param("c", TEXT, TEXT, id="plain"),
        pytest.param("c.gz", gzip.compress(TEXT), TEXT, id="gzip"),
        pytest.param("c.gz", gzip.compress(TEXT) + gzip.compress(b"x"), TEXT + b"x", id="gzip-members"),
        pytest.param("c.gz", gzip.compress(TEXT) + bytes(512), TEXT, id="gzip-padded-with-zeros"),
        pytest.param("c.gz", gzip.compress(TEXT) + bytes(512) + gzip.compress(b"x"), TEXT + b"x", id="padding-between"),
        pytest.param("c.gz", b"", b"", id="empty-gzip"),
        pytest.param("c.bz2", bz2.compress(TEXT) + bz2.compress(b"x"), TEXT + b"x", id="bzip2-streams"),
        pytest.param("c.zst", zstd(TEXT) + zstd(b"x"), TEXT + b"x", id="zstd-frames"),
        pytest.param("c.zst", (SKIPPABLE + zstd(TEXT)) * 2, TEXT * 2, id="zstd-by-pzstd"),
    ],
)
def test_content(tmp_path: Path, name: str, packed: bytes, expected: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(packed)
    assert decompressed(path, compression_of_name(name)) == expected


def test_content_in_a_bucket(bucket: str) -> None:
    path = f"{bucket}/compressed.gz"
    storage.write_bytes(path, gzip.compress(TEXT) + bytes(3))
    assert decompressed(path, "gzip") == TEXT


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda packed: packed[: len(packed) // 2], id="truncated"),
        pytest.param(lambda packed: packed[:-1], id="last-byte-missing"),
        pytest.param(lambda packed: packed + b"not compressed", id="garbage-at-the-end"),
        pytest.param(lambda packed: packed[:40] + bytes([packed[40] ^ 255]) + packed[41:], id="flipped"),
        pytest.param(lambda _: TEXT, id="not-compressed"),
    ],
)
@pytest.mark.parametrize("compression", ["gzip", "bzip2", "zstd"])
def test_damage_is_an_error(tmp_path: Path, compression: Compression, damage: Callable[[bytes], bytes]) -> None:
    content = os.urandom(100) + TEXT
    packed = {"gzip": gzip.compress(content), "bzip2": bz2.compress(content), "zstd": zstd(content)}[compression]
    (tmp_path / "c").write_bytes(damage(packed))
    with pytest.raises(OSError, match=r".+"):
        decompressed(tmp_path / "c", compression)
