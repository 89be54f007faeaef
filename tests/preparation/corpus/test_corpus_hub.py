import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_files import corpus

from clism_core.preparation.corpus import (
    CappedRows,
    CorpusConfig,
    RawRow,
    check_corpus,
    input_paths,
    read_rows,
    source_identity,
    with_absolute_paths,
)
from clism_core.utils.errors import InputError

NAME = "Helsinki-NLP/opus-100"
CONVERTED = "refs/convert/parquet"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def hub(path: Path | str, **fields: Any) -> CorpusConfig:
    columns = {"source_column": "translation.en", "target_column": "translation.de"}
    return corpus(path, format="hub", **(columns | fields))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cache of `datasets` out of the user's home."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """Return a folder laid out as a data set of the hub: two files of one split, one of another."""
    folder = tmp_path / "opus"
    (folder / "data").mkdir(parents=True)
    for name, numbers in (
        ("train-00000-of-00002", range(3)),
        ("train-00001-of-00002", range(3, 5)),
        ("test-00000-of-00001", [9]),
    ):
        rows = [{"en": f"one {number}", "de": f"eins {number}"} for number in numbers]
        pq.write_table(pa.table({"translation": rows}), folder / "data" / f"{name}.parquet")
    return folder


def test_rows_are_numbered_across_the_files_of_a_split(data_set: Path) -> None:
    config = hub(data_set)
    check_corpus(config)
    assert list(read_rows(config)) == [
        RawRow(f"{data_set}/train", number + 1, f"one {number}", f"eins {number}") for number in range(5)
    ]
    assert [row.source for row in read_rows(hub(data_set, split="test"))] == ["one 9"]
    assert input_paths(config) == []


@pytest.mark.parametrize(("cap", "read", "beyond"), [(2, 2, 3), (4, 4, 1), (5, 5, 0), (9, 5, 0)])
def test_rows_beyond_the_cap_are_counted_from_the_files(data_set: Path, cap: int, read: int, beyond: int) -> None:
    rows = CappedRows(hub(data_set, max_pairs=cap))
    assert len(list(rows)) == read
    assert rows.beyond_cap == beyond


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"split": "dev"}, "split 'dev' not found; the data set has train, test", id="split"),
        pytest.param({"subset": "de-en"}, "opus/de-en/train cannot be read from the hub: .*'de-en' not f", id="subset"),
        pytest.param({"source_column": "en"}, "no column 'en'; its .* translation.en, translation.de", id="column"),
        pytest.param(
            {"source_column": 1}, "source_column is 1, but fields of format hub have names", id="column-by-number"
        ),
        pytest.param({"revision": CONVERTED}, "has one folder per subset; give subset", id="converted"),
    ],
)
def test_fields_that_cannot_be_used(data_set: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_corpus(hub(data_set, **fields))


def test_conversion_of_the_hub_has_one_folder_per_subset(tmp_path: Path) -> None:
    for subset, text in (("de-en", "one"), ("ar-en", "two")):
        folder = tmp_path / "set" / subset / "train"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"translation": [{"en": text, "de": "x"}]}), folder / "0000.parquet")
    config = hub(tmp_path / "set", subset="de-en", revision=CONVERTED)
    assert [row.source for row in read_rows(config)] == ["one"]


def test_loading_script(tmp_path: Path) -> None:
    (tmp_path / "mlqa").mkdir()
    (tmp_path / "mlqa" / "mlqa.py").write_text("import datasets\n")
    with pytest.raises(InputError, match=r"mlqa/train is a loading script.*official file.*refs/convert/parquet"):
        check_corpus(hub(tmp_path / "mlqa"))


def test_other_formats_are_not_supported(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text(json.dumps({"translation": {"en": "one", "de": "eins"}}))
    with pytest.raises(InputError, match="set/train: unsupported format: its files are json, not Parquet"):
        check_corpus(hub(tmp_path / "set"))


def test_datasets_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[hub\]'"):
        check_corpus(hub(NAME))


def test_hub_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset_builder", fail)
    with pytest.raises(InputError, match=f"{NAME}/train cannot be read from the hub: Couldn't reach the Hub"):
        check_corpus(hub(NAME))


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        pytest.param(None, COMMIT, id="none"),
        pytest.param("main", COMMIT, id="branch"),
        pytest.param(CONVERTED, f"{CONVERTED}@{COMMIT}", id="converted"),
    ],
)
def test_identity_names_the_commit(monkeypatch: pytest.MonkeyPatch, revision: str | None, expected: str) -> None:
    import huggingface_hub

    class Info:
        sha = COMMIT

    def dataset_info(_: Any, name: str, *, revision: str | None) -> Info:
        assert (name, revision) == (NAME, config.revision)
        return Info()

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    config = hub(NAME, subset="de-en", revision=revision)
    identity = source_identity(config)
    assert identity == {"name": NAME, "subset": "de-en", "split": "train", "revision": expected}


@pytest.mark.parametrize("revision", [COMMIT, f"{CONVERTED}@{COMMIT}"])
def test_identity_of_a_commit_needs_no_request(revision: str) -> None:
    assert source_identity(hub(NAME, revision=revision))["revision"] == revision  # the tests are offline


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        pytest.param("v1", {"name": "de-en", "revision": "v1"}, id="tag"),
        pytest.param(CONVERTED, {"data_dir": "de-en", "revision": CONVERTED}, id="converted"),
        pytest.param(f"{CONVERTED}@{COMMIT}", {"data_dir": "de-en", "revision": COMMIT}, id="commit-of-converted"),
    ],
)
def test_arguments_of_the_request_to_the_hub(
    monkeypatch: pytest.MonkeyPatch, data_set: Path, revision: str, expected: dict[str, str]
) -> None:
    import datasets

    asked = []
    load = datasets.load_dataset_builder

    def load_local(path: str, **fields: Any) -> Any:
        asked.append((path, fields))
        return load(str(data_set))

    monkeypatch.setattr(datasets, "load_dataset_builder", load_local)
    assert next(read_rows(hub(NAME, subset="de-en", revision=revision))).source == "one 0"
    assert asked == [(NAME, expected)]


class HttpError(Exception):
    """Stand-in for the HTTP client's own errors, which have no informative base class."""


def test_identity_when_the_hub_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise HttpError("name or service not known")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", fail)
    with pytest.raises(InputError, match="give a full commit as revision"):
        source_identity(hub(NAME))


def test_identity_of_a_local_folder_depends_on_its_content(data_set: Path) -> None:
    first = source_identity(hub(data_set))
    assert source_identity(hub(data_set)) == first
    (data_set / "data" / "test-00000-of-00001.parquet").unlink()
    assert source_identity(hub(data_set)) != first


def test_absolute_paths_leave_names_alone(data_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data_set.parent)
    assert with_absolute_paths(hub("opus")).path == str(data_set)
    assert with_absolute_paths(hub(NAME)).path == NAME
    assert with_absolute_paths(corpus("x.tsv", alignment_path="a")) == corpus(
        data_set.parent / "x.tsv", alignment_path=str(data_set.parent / "a")
    )
