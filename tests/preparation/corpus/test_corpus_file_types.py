import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_files import compress, corpus

from clism_core.preparation.corpus import check_corpus, read_rows
from clism_core.utils.errors import InputError

TEXT = b"one\teins\n"


def archive(kind: str) -> bytes:
    """Return an archive with one file, `c.tsv`."""
    content = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(content, "w") as packed:
            packed.writestr("c.tsv", TEXT)
    else:
        tar_format = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}[kind]
        with tarfile.open(fileobj=content, mode="w", format=tar_format) as tar:
            member = tarfile.TarInfo("größe/c.tsv")
            member.size = len(TEXT)
            tar.addfile(member, io.BytesIO(TEXT))
    return content.getvalue()


def old_tar() -> bytes:
    """Return an archive in the format of 1979, which has no magic number."""
    header = bytearray(archive("ustar"))
    header[257:512] = bytes(255)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header)


def table(kind: str) -> bytes:
    content = io.BytesIO()
    columns = pa.table({"en": ["one"], "de": ["eins"]})
    if kind == "Parquet":
        pq.write_table(columns, content)
    else:
        with (pa.ipc.new_file if kind == "Arrow" else pa.ipc.new_stream)(content, columns.schema) as stream:
            stream.write_table(columns)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("c.tsv", gzip.compress(TEXT), r"is compressed with gzip; rename it .* ends in \.gz", id="gzip"),
        pytest.param("c.tsv", bz2.compress(TEXT), r"is compressed with bzip2; rename it .* ends in \.bz2", id="bzip2"),
        pytest.param("c.tsv", compress(TEXT, ".zst"), r"is compressed with zstd; .* ends in \.zst", id="zstd"),
        pytest.param("c.tsv.gz", TEXT, r"is not a gzip file; rename it without \.gz", id="not-gzip"),
        pytest.param("c.tsv.gz", compress(TEXT, ".zst"), "is compressed with zstd", id="zstd-called-gzip"),
        pytest.param(
            "c.gz",
            gzip.compress(gzip.compress(TEXT)),
            "is compressed with gzip, and its content with gzip",
            id="gzip-twice",
        ),
        pytest.param(
            "c.tsv", lzma.compress(TEXT), "is compressed with xz; decompress it, or compress it with gzip", id="xz"
        ),
        pytest.param("c.tsv", lzma.compress(TEXT, lzma.FORMAT_ALONE), "is compressed with lzma;", id="lzma"),
        pytest.param("c.tsv", archive("zip"), "is a zip archive, which is not supported; unpack it", id="zip"),
        pytest.param("c.tar", archive("ustar"), "is a tar archive, which is not supported; unpack it", id="ustar"),
        pytest.param("c.tar", archive("gnu"), "is a tar archive", id="tar-gnu"),
        pytest.param("c.tar", archive("pax"), "is a tar archive", id="tar-pax"),
        pytest.param("c.tar", old_tar(), "is a tar archive", id="tar-v7"),
        pytest.param("c.tar.gz", gzip.compress(archive("gnu")), "is a tar archive compressed with gzip", id="tar-gz"),
        pytest.param("c.tgz", gzip.compress(archive("gnu")), "is a tar archive compressed with gzip", id="tgz"),
        pytest.param("c.zst", compress(archive("gnu"), ".zst"), "is a tar archive compressed with zstd", id="tar-zst"),
        pytest.param("c.gz", gzip.compress(archive("zip")), "is a zip archive compressed with gzip", id="zip-gz"),
        pytest.param(
            "c.tsv", table("Parquet"), "is in the format Parquet, not text; give format: parquet", id="parquet"
        ),
        pytest.param(
            "c.gz", gzip.compress(table("Parquet")), "is in the format Parquet and compressed with", id="parquet-gz"
        ),
        pytest.param("c.tsv", table("Arrow"), "is in the format Arrow, not text", id="arrow-file"),
        pytest.param("c.tsv", table("stream"), "is in the format Arrow, not text", id="arrow-stream"),
        pytest.param("c.tsv", b"%PDF-1.7\n", "is in the format PDF, not text", id="pdf"),
        pytest.param("c.tsv", b"\n<!doctype HTML>\n", "is HTML, not plain text; .* download the file", id="html"),
        pytest.param("c.gz", gzip.compress(b'<?xml version="1.0"?>\n<tmx/>'), "is XML .*; give format: tmx", id="xml"),
        pytest.param(
            "c.tsv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is a Git LFS pointer",
            id="git-lfs",
        ),
    ],
)
def test_wrong_file_types(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} {message}"):
        check_corpus(corpus(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("c.gz", gzip.compress(TEXT) + bytes(512), id="gzip-with-padding"),
        pytest.param("c.zst", bytes.fromhex("502a4d180400000066000000") + compress(TEXT, ".zst"), id="pzstd"),
        pytest.param("c.bz2", bz2.compress(TEXT), id="bzip2"),
        pytest.param("c.txt", TEXT + b"<html>\tx\n" + b"PK\tPAR1\n", id="text-that-mentions-others"),
    ],
)
def test_supported_files(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    check_corpus(corpus(tmp_path / name))
    assert next(iter(read_rows(corpus(tmp_path / name))))[2:4] == ("one", "eins")


def test_other_files_of_a_corpus_are_checked(tmp_path: Path) -> None:
    (tmp_path / "c.en").write_bytes(b"one\n")
    (tmp_path / "c.de").write_bytes(archive("gnu"))
    with pytest.raises(InputError, match=r"c\.de is a tar archive"):
        check_corpus(corpus(tmp_path / "c.en", format="moses", target_path=str(tmp_path / "c.de")))


def test_parquet_file_that_is_a_pointer(tmp_path: Path) -> None:
    (tmp_path / "c.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match=r"c\.parquet is a Git LFS pointer, .* git lfs pull"):
        check_corpus(corpus(tmp_path / "c.parquet", format="parquet", source_column="en", target_column="de"))
