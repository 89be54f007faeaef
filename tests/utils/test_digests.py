"""Digests, whose values are those that outputs of earlier versions have stored."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from clism_core.utils import digests, storage
from clism_core.utils.digests import (
    FileDigest,
    content_digest,
    count_kinds,
    file_digests,
    folder_digest,
    folder_state,
    named_files_digest,
    text_digest,
    text_hash,
    tree_digest,
)

SHA_256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4


def test_text_hashes_equal_stored_ones() -> None:
    assert text_hash("abc") == int(hashlib.blake2b(b"abc", digest_size=8).hexdigest(), 16)
    assert text_digest("abc") == hashlib.blake2b(b"abc", digest_size=16).hexdigest()
    assert text_digest("\ud800") != text_digest("")


def test_small_files_are_digested_by_content(root: str) -> None:
    paths = [storage.join(root, name) for name in ("a", "b", "c")]
    for path, content in zip(paths, (b"abc", b"abc", b"abd"), strict=True):
        storage.write_bytes(path, content)
    if storage.is_local(root):
        os.utime(paths[1], (1, 1))
    one, other, changed = file_digests(paths)
    assert one == other == FileDigest(SHA_256_OF_ABC, "content")
    assert content_digest(paths[0]) == SHA_256_OF_ABC
    assert changed.value != one.value


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 36)  # bytes, which would take a minute to read
    os.utime(tmp_path / "large", ns=(0, 1_000_000_007))
    (tmp_path / "small").write_bytes(b"abc")
    large, small = file_digests([str(tmp_path / "large"), str(tmp_path / "small")])
    assert large == FileDigest("68719476736 1000000007", "size and time")
    assert small == FileDigest(SHA_256_OF_ABC, "content")
    assert count_kinds([large, small, small]) == {"size and time": 1, "content": 2}


def test_a_large_file_changes_with_size_or_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "CONTENT_LIMIT", 2)
    path = tmp_path / "x"
    found = []
    for content, second in ((b"abc", 1), (b"abc", 2), (b"abcd", 2)):
        path.write_bytes(content)
        os.utime(path, (second, second))
        found += file_digests([str(path)])
    assert len(set(found)) == 3


def test_a_large_object_changes_with_its_etag_and_is_not_read(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "CONTENT_LIMIT", 2)
    monkeypatch.setattr(digests, "content_digest", lambda path: pytest.fail(f"{path} is read"))
    path = f"{bucket}/{tmp_path.name}/x y"
    found = []
    for content in (b"abc", b"abd", b"abc"):  # within a second, which is the resolution of times there
        storage.write_bytes(path, content)
        found += file_digests([path])
    assert {digest.kind for digest in found} == {"size and ETag"}
    assert found[0] == found[2] != found[1]


def test_the_smallest_files_are_read_up_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "CONTENT_LIMIT", 6)
    sizes = [3, 1, 4, 2]
    for number, size in enumerate(sizes):
        (tmp_path / str(number)).write_bytes(b"x" * size)
    found = file_digests([str(tmp_path / str(number)) for number in range(4)])
    assert [digest.kind == "content" for digest in found] == [True, True, False, True]
    assert file_digests([]) == []


def test_missing_file_is_an_error(root: str) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        file_digests([storage.join(root, "none")])


def test_folder_digest_depends_on_names_and_contents_but_not_on_the_location(root: str, tmp_path: Path) -> None:
    for folder in (root, str(tmp_path / "copy")):
        storage.write_bytes(storage.join(folder, "b", "1"), b"abc")
    expected = hashlib.sha256(json.dumps({"/b/1": SHA_256_OF_ABC}).encode()).hexdigest()
    assert folder_digest(root) == folder_digest(str(tmp_path / "copy")) == expected
    storage.write_bytes(storage.join(root, "2"), b"")
    assert folder_digest(root) != expected


def test_named_files_digest_depends_on_names_and_contents(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    lines = "".join(f"{name} {hashlib.blake2b(name.encode()).hexdigest()}\n" for name in ("a", "b"))
    expected = hashlib.blake2b(lines.encode(), digest_size=16).hexdigest()
    assert named_files_digest(str(tmp_path / name) for name in ("a", "b")) == expected


def test_tree_digest_depends_on_relative_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"x")
    expected = hashlib.blake2b(b"a/b\0" + hashlib.blake2b(b"x").digest(), digest_size=16).hexdigest()
    assert tree_digest(str(tmp_path)) == expected


def test_folder_state_changes_with_any_file(root: str) -> None:
    with pytest.raises(FileNotFoundError):
        folder_state(storage.join(root, "none"))
    storage.write_bytes(storage.join(root, "b", "1"), b"x")
    first = folder_state(root)
    assert folder_state(root) == first
    storage.write_bytes(storage.join(root, "b", "1"), b"xy")
    second = folder_state(root)
    storage.write_bytes(storage.join(root, "2"), b"")
    assert len({first, second, folder_state(root)}) == 3
