import os
from collections.abc import Callable
from pathlib import Path

import pytest

from clism_core.utils import storage
from clism_core.utils.errors import InputError


def test_bytes_round_trip(root: str) -> None:
    path = storage.join(root, "a", "b.json.gz")  # the extension must not trigger decompression
    assert not storage.exists(path)
    storage.write_bytes(path, b"first")
    storage.write_bytes(path, b"\x00second")
    assert storage.exists(path)
    assert storage.exists(storage.join(root, "a"))
    assert storage.read_bytes(path) == b"\x00second"


def test_missing_file(root: str) -> None:
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(storage.join(root, "none"))


def test_a_file_appears_as_a_whole(root: str) -> None:
    path = storage.join(root, "a", "b.txt")
    with storage.atomic_file(path) as file:
        file.write(b"one")
        assert not storage.exists(path)
    assert storage.read_bytes(path) == b"one"
    with pytest.raises(ZeroDivisionError), storage.atomic_file(path) as file:
        file.write(b"two" + b"x" * (1 // 0))
    assert storage.read_bytes(path) == b"one"
    assert len(storage.list_files(root)) == 1


def test_json_comes_back(root: str) -> None:
    path = storage.join(root, "a", "note.json")
    content = {"name": "Zürich", "half a pair": "\ud83d", "scores": [0.1, None], "none": {}}
    storage.write_json(path, content)
    assert storage.read_json(path) == content
    assert storage.read_bytes(path).decode("utf-8").splitlines()[:3] == [
        "{",
        '  "name": "Zürich",',
        '  "half a pair": "\\ud83d",',
    ]
    with pytest.raises(FileNotFoundError):
        storage.read_json(storage.join(root, "other.json"))


def test_list_files_is_recursive_and_sorted(root: str) -> None:
    for name in ("b/2", "b/1", "a"):
        storage.write_bytes(storage.join(root, name), b"x")
    assert storage.list_files(root) == [f"{root}/a", f"{root}/b/1", f"{root}/b/2"]
    assert storage.list_files(storage.join(root, "none")) == []


@pytest.fixture
def tree(root: str) -> str:
    """Return a folder of corpus files with all kinds of names."""
    for name in ("b.tsv", "a.tsv", "c.txt", "_SUCCESS", ".a.tsv", "de/1.tsv", "de/_x.tsv", "fr/1.tsv", "_old/1.tsv"):
        storage.write_bytes(storage.join(root, name), b"x")
    return root


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("", ["a.tsv", "b.tsv", "c.txt", "de/1.tsv", "fr/1.tsv"], id="folder"),
        pytest.param("*.tsv", ["a.tsv", "b.tsv"], id="star"),
        pytest.param("?.t[sx]*", ["a.tsv", "b.tsv", "c.txt"], id="question-mark-and-set"),
        pytest.param("*/1.tsv", ["de/1.tsv", "fr/1.tsv"], id="folders-before-a-name"),
        pytest.param("d*/*", ["de/1.tsv"], id="two-patterns"),
        pytest.param("*/*", ["de/1.tsv", "fr/1.tsv"], id="equal-patterns"),
        pytest.param("[bd]*", ["b.tsv", "de/1.tsv"], id="folders-among-the-matches"),
        pytest.param("_*/*", ["_old/1.tsv"], id="hidden-names-when-asked-for"),
        pytest.param("*.gz", [], id="nothing"),
        pytest.param("none/*.tsv", [], id="no-such-folder"),
        pytest.param("a.tsv", ["a.tsv"], id="one-file"),
        pytest.param("none.tsv", ["none.tsv"], id="missing-file-stands-for-itself"),
    ],
)
def test_expand(tree: str, pattern: str, expected: list[str]) -> None:
    assert storage.expand(storage.join(tree, pattern)) == [f"{tree}/{name}" for name in expected]


NAMES = ("a b.tsv", "a#b.tsv", "a%20b.tsv", "a+b.tsv", "a?x=1.tsv", "a@b:c.tsv", "a[1].tsv", "ä.tsv")


def test_names_are_taken_literally(root: str) -> None:
    for name in NAMES:
        storage.write_bytes(storage.join(root, "d & e", name), name.encode())
    expected = [f"{root}/d & e/{name}" for name in NAMES]
    for found in (storage.expand(root), storage.list_files(root), storage.expand(f"{root}/d*/*.tsv")):
        assert sorted(found) == expected
    assert [storage.read_bytes(path).decode() for path in expected] == [*NAMES]
    assert [storage.expand(path) for path in expected] == [[path] for path in expected]


def test_keys_match_those_of_other_clients(bucket: str, tmp_path: Path) -> None:
    import boto3

    store = boto3.client("s3", region_name="us-east-1")
    for name in NAMES:
        store.put_object(Bucket="bucket", Key=f"{tmp_path.name}/{name}", Body=name.encode())
    assert [storage.read_bytes(f"{bucket}/{tmp_path.name}/{name}").decode() for name in NAMES] == [*NAMES]


def test_downloads_stay_in_their_folder(bucket: str, tmp_path: Path) -> None:
    import boto3

    store = boto3.client("s3", region_name="us-east-1")
    for name in ("config.json", "../../outside"):
        store.put_object(Bucket="bucket", Key=f"{tmp_path.name}/model/{name}", Body=b"x")
    with pytest.raises(InputError, match=r"model/\.\./\.\./outside has \.\. as a folder"):
        storage.download_folder(f"{bucket}/{tmp_path.name}/model", tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_options_of_an_s3_uri() -> None:
    uri = "s3://bucket/a b?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:1"
    store, inner = storage.filesystem(uri)
    assert inner == "bucket/a b"
    assert (store.region, store.type_name) == ("us-east-1", "s3")


def test_expand_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a [1].tsv", "a 1.tsv"):
        (tmp_path / name).touch()
    assert storage.expand("*.tsv") == [str(tmp_path / "a 1.tsv"), str(tmp_path / "a [1].tsv")]
    assert storage.expand("a [1].tsv") == ["a [1].tsv"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        pytest.param("/data/**/a.tsv", "give the folder itself", id="two-stars"),
        pytest.param("s3://buck*/a.tsv", "bucket name cannot contain wildcards", id="bucket"),
    ],
)
def test_unsupported_globs(pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        storage.expand(pattern)


@pytest.mark.parametrize("pattern", ["", "*", "*/x"])
@pytest.mark.parametrize("kind", ["link", "loop", "pipe"])
def test_neither_files_nor_folders(tmp_path: Path, pattern: str, kind: str) -> None:
    (tmp_path / "a").touch()
    odd = tmp_path / "b"
    if kind == "link":
        odd.symlink_to("nowhere")
    elif kind == "loop":
        odd.symlink_to(odd)
    else:
        os.mkfifo(odd)
    with pytest.raises(InputError, match=rf"{odd} is (a dangling link|neither a file nor a folder); delete it"):
        storage.expand(storage.join(str(tmp_path), pattern))


def test_hidden_links_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / ".#a").symlink_to("editor@host.123")  # the lock of an editor
    assert storage.expand(str(tmp_path)) == storage.expand(f"{tmp_path}/*") == [f"{tmp_path}/a"]


def test_folders_round_trip(root: str, tmp_path: Path) -> None:
    (tmp_path / "up" / "deep").mkdir(parents=True)
    (tmp_path / "up" / "config.json").write_text("{}")
    (tmp_path / "up" / "deep" / "x").write_bytes(b"\x00")
    storage.upload_folder(tmp_path / "up", root)
    assert storage.list_files(root) == [f"{root}/config.json", f"{root}/deep/x"]
    storage.download_folder(root, tmp_path / "down")
    assert (tmp_path / "down" / "config.json").read_text() == "{}"
    assert (tmp_path / "down" / "deep" / "x").read_bytes() == b"\x00"


def test_a_folder_is_replaced_as_a_whole(root: str, tmp_path: Path) -> None:
    for content in ("old", "new"):
        (tmp_path / content).mkdir()
        (tmp_path / content / content).write_text(content)
        storage.replace_folder(tmp_path / content, f"{root}/model")
    assert storage.list_files(root) == [f"{root}/model/new"]


def test_an_interrupted_copy_is_not_visible_and_is_deleted_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "new").write_text("new")
    upload = storage.upload_folder

    def interrupt(local: Path, path: str) -> None:
        upload(local, path)
        (Path(path) / "part").write_text("half a file")
        raise KeyboardInterrupt

    target = tmp_path / "out" / "model"
    with monkeypatch.context() as patch:
        patch.setattr(storage, "upload_folder", interrupt)
        with pytest.raises(KeyboardInterrupt):
            storage.replace_folder(tmp_path / "local", str(target))
    assert not target.exists()
    storage.replace_folder(tmp_path / "local", str(target))
    assert storage.list_files(str(target.parent)) == [str(target / "new")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("x/y", "{cwd}/x/y", id="relative"),
        pytest.param("~/y", "{home}/y", id="home"),
        pytest.param("file:///x/y", "/x/y", id="file-uri"),
        pytest.param("s3://bucket/x/", "s3://bucket/x", id="s3"),
    ],
)
def test_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str, expected: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert storage.absolute(path) == expected.format(cwd=tmp_path, home="/home/someone")


@pytest.mark.parametrize(
    "path", ["gs://bucket/x.tsv", "https://x/y", "S3://b/k", "s3:/bucket/k", "hdfs:///x", "hf://x"]
)
@pytest.mark.parametrize("function", [storage.filesystem, storage.absolute, storage.exists, storage.expand])
def test_unsupported_schemes_are_refused_at_once(path: str, function: Callable[[str], object]) -> None:
    with pytest.raises(InputError, match=rf"^{path}: \S+:/ is not supported; give a local path or an s3:// URI"):
        function(path)


@pytest.mark.parametrize("path", ["a:/b", "/data/en://de.tsv", "data/s3://x", "1:/x"])
def test_local_names_with_colons(path: str) -> None:
    assert storage.filesystem(path)[0].type_name == "local"
