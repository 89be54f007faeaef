import json
import os
from pathlib import Path
from typing import Any

import pytest

from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.entities.config import EntitiesConfig
from clism_core.preparation.manifest import Manifest, fingerprint, finish_output, open_output, read_manifest
from clism_core.preparation.prepare import plan
from clism_core.utils.errors import InputError


def manifest(identity: str) -> Manifest:
    return Manifest(samples=0, rejects=0, pairs={}, config={}, versions={}, fingerprint=identity, content="")


def test_finished_data_is_found_again(tmp_path: Path) -> None:
    folder = str(tmp_path / "new" / "data")
    assert open_output(folder, fingerprint="a") is None
    for left in ("unfinished/rows/x.parquet", "samples/.x.parquet.0", "samples/x.parquet"):
        Path(folder, left).parent.mkdir(parents=True, exist_ok=True)
        Path(folder, left).touch()
    finish_output(folder, manifest("a"))
    assert sorted(path.name for path in Path(folder).rglob("*")) == ["manifest.json", "samples", "x.parquet"]
    Path(folder, "unfinished.json").touch()  # as if the run had been killed here
    assert open_output(folder, fingerprint="a") == read_manifest(folder) == manifest("a")
    assert not Path(folder, "unfinished.json").exists()


def test_other_data_is_not_overwritten(tmp_path: Path) -> None:
    open_output(str(tmp_path), fingerprint="a")
    finish_output(str(tmp_path), manifest("a"))
    with pytest.raises(InputError, match="choose another folder"):
        open_output(str(tmp_path), fingerprint="b")


def test_other_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "mine.txt").touch()
    with pytest.raises(InputError, match="is not empty"):
        open_output(str(tmp_path), fingerprint="a")
    assert (tmp_path / "samples" / "mine.txt").exists()


def test_interrupted_run_without_samples_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    open_output(str(folder), fingerprint="a")
    assert open_output(str(folder), fingerprint="b") is None
    assert '"b"' in (folder / "unfinished.json").read_text()


@pytest.mark.parametrize("part", ["samples", "rejects"])
def test_interrupted_run_with_samples_is_kept_for_the_same_run_only(tmp_path: Path, part: str) -> None:
    open_output(str(tmp_path), fingerprint="a")
    (tmp_path / part).mkdir()
    (tmp_path / part / "x.parquet").touch()
    with pytest.raises(InputError, match="unfinished preparation of other inputs"):
        open_output(str(tmp_path), fingerprint="b")
    assert open_output(str(tmp_path), fingerprint="a") is None
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["unfinished.json", "x.parquet"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param(None, "no such folder", id="missing"),
        pytest.param([], "no prepared data", id="empty"),
        pytest.param(["unfinished.json"], "its preparation is unfinished", id="unfinished"),
    ],
)
def test_missing_or_unfinished_data_is_an_input_error(tmp_path: Path, files: list[str] | None, message: str) -> None:
    folder = tmp_path / "data"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    with pytest.raises(InputError, match=message):
        read_manifest(str(folder))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('{"samples": 3', r"manifest\.json: damaged, not JSON", id="truncated"),
        pytest.param("", r"manifest\.json: damaged, not JSON", id="empty"),
        pytest.param("\0" * 40, r"manifest\.json: damaged, not JSON", id="zeros"),
        pytest.param("[]", r"manifest\.json: damaged, not a JSON object but a list", id="no-object"),
        pytest.param({"samples": "3"}, "damaged manifest.json: samples of the wrong type", id="type"),
        pytest.param({"files": {"samples/x.parquet": None}}, "damaged manifest.json: files of the wrong", id="file"),
    ],
)
def test_a_damaged_manifest_is_an_input_error(tmp_path: Path, content: str | dict[str, Any], message: str) -> None:
    text = content if isinstance(content, str) else json.dumps({**manifest("a"), **content})
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_manifest(str(tmp_path))


def test_fingerprint_depends_on_inputs_config_and_versions() -> None:
    base = fingerprint(inputs=[["x"]], config={"a": 1}, versions={"v": "1"})
    others = [
        fingerprint(inputs=[["y"]], config={"a": 1}, versions={"v": "1"}),
        fingerprint(inputs=[["x"]], config={"a": 2}, versions={"v": "1"}),
        fingerprint(inputs=[["x"]], config={"a": 1}, versions={"v": "2"}),
        fingerprint(inputs=[["x"], ["y"]], config={}, versions={}),
        fingerprint(inputs=[["x", "y"]], config={}, versions={}),  # a corpus of two files, not two of one
    ]
    assert len({base, *others}) == 6


@pytest.mark.parametrize(
    ("limit", "kind", "is_same"),
    [pytest.param(100, "content", True, id="small"), pytest.param(1, "size and time", False, id="large")],
)
def test_a_copy_of_a_small_corpus_has_the_same_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, kind: str, is_same: bool
) -> None:
    monkeypatch.setattr("clism_core.utils.digests.CONTENT_LIMIT", limit)
    plans = []
    for number, name in enumerate(("one", "copy"), start=1):
        (tmp_path / name).mkdir()
        for file, text in {"c.tsv": "a b\tc d\n", "c.links": "0-0 1-1\n"}.items():
            (tmp_path / name / file).write_text(text)
            os.utime(tmp_path / name / file, (number, number))
        corpus = CorpusConfig(
            path=str(tmp_path / name / "c.tsv"),
            alignment_path=str(tmp_path / name / "c.links"),
            source_lang="en",
            target_lang="de",
        )
        config = PrepareConfig(
            corpora=[corpus],
            output=str(tmp_path / "out"),
            aligner=AlignerConfig(kind="pharaoh"),
            entities=EntitiesConfig(span_kind="ngrams"),
        )
        plans.append(plan(config))
    assert (plans[0].fingerprint == plans[1].fingerprint) == is_same
    assert [digest.kind for digest in plans[0].inputs[0]] == [kind, kind]
