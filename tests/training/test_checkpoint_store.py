"""Checkpoints on disk and in an object store: what is complete, kept, damaged and left behind."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoint_files import DAMAGE, STATE, flip, save

from clism_core.training.checkpoint_store import CheckpointStore, DamagedCheckpointError, SavedCheckpoint, read_manifest
from clism_core.utils import storage
from clism_core.utils.errors import InputError


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(str(tmp_path / "out"))


def steps(store: CheckpointStore) -> list[int]:
    return [saved.step for saved in store.saved()]


def test_the_manifest_lists_sizes_and_digests_of_all_files(store: CheckpointStore) -> None:
    folder = Path(save(store, 7, score=0.5))
    assert folder == Path(store.root) / "step-00000007"
    manifest = json.loads((folder / "checkpoint.json").read_text())
    assert (manifest["format"], manifest["step"], manifest["metrics"]) == (1, 7, {"step": 7, "score": 0.5})
    assert manifest["files"] == {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in {"model/span_head.safetensors": b"head 7", "training_state.pt": STATE}.items()
    }
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.json", "model", "training_state.pt"]


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        pytest.param({10: None, 20: None, 30: None}, [30, 20], id="without a score, the last two"),
        pytest.param({10: 0.9, 20: 0.1, 30: 0.2, 40: 0.3}, [40, 30, 10], id="the best one is old"),
        pytest.param({10: 0.1, 20: 0.2, 30: 0.9, 40: 0.3}, [40, 30], id="the best one is among the last two"),
        pytest.param({10: 0.9, 20: 0.9, 30: 0.1, 40: None}, [40, 30, 20], id="of equal ones, the later"),
        pytest.param({10: float("nan"), 20: 0.1, 30: 0.1, 40: None}, [40, 30], id="no number is no score"),
    ],
)
def test_the_last_two_and_the_best_are_kept(
    store: CheckpointStore, scores: dict[int, float | None], kept: list[int]
) -> None:
    for step, score in scores.items():
        save(store, step, score)
    assert steps(store) == kept
    assert sorted(Path(store.root).iterdir(), reverse=True) == [Path(store.path(step)) for step in kept]


@pytest.mark.parametrize(("damage", "problem"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named(store: CheckpointStore, damage: Callable[[Path], None], problem: str) -> None:
    folder = save(store, 10)
    read_manifest(folder, folder).verify(folder)
    damage(Path(folder))
    with pytest.raises(DamagedCheckpointError, match=problem):
        read_manifest(folder, folder).verify(folder)


def test_verification_may_be_limited_to_a_folder(store: CheckpointStore) -> None:
    folder = save(store, 10)
    flip(Path(folder) / "training_state.pt")
    read_manifest(folder, folder).verify(folder, below="model/")


def test_checkpoints_of_another_format_are_refused(store: CheckpointStore) -> None:
    folder = save(store, 10)
    file = Path(folder) / "checkpoint.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 2, "version": "9.1"}))
    with pytest.raises(InputError, match=r"format 2, written by version 9\.1"):
        list(store.saved())


@pytest.fixture(params=["local", "object store"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "out")
    return f"{request.getfixturevalue('bucket')}/{tmp_path.name}"


def test_an_interrupted_upload_is_ignored_and_then_deleted(
    output: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = CheckpointStore(output)
    save(store, 10)

    def interrupt(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_json", interrupt)  # the last file of a checkpoint
        with pytest.raises(ConnectionError):
            save(store, 20)
    assert storage.exists(storage.join(store.path(20), "training_state.pt"))
    assert steps(store) == [10]
    store.delete_unfinished()
    assert "step-00000020: its upload was interrupted" in caplog.text
    assert not storage.exists(storage.join(store.path(20), "training_state.pt"))
    save(store, 20)
    save(store, 30)
    assert steps(store) == [30, 20]
    read_manifest(store.path(30), store.path(30)).verify(store.path(30))
    assert not storage.exists(storage.join(store.path(10), "training_state.pt"))


def test_an_upload_replaces_what_is_left_of_an_earlier_one(store: CheckpointStore) -> None:
    folder = Path(save(store, 10))
    (folder / "model" / "old.safetensors").write_bytes(b"old")
    save(store, 10)
    assert not (folder / "model" / "old.safetensors").exists()


def test_the_best_is_found_among_undamaged_manifests(store: CheckpointStore, caplog: pytest.LogCaptureFixture) -> None:
    for step, score in {10: 0.9, 20: 0.5, 30: 0.7}.items():
        save(store, step, score)
    assert [saved.step for saved in store.best()] == [10, 30, 20]
    (Path(store.path(10)) / "checkpoint.json").write_text("{")
    assert [saved.step for saved in store.best()] == [30, 20]
    assert "step-00000010 is damaged" in caplog.text


def test_temporary_folders_of_this_run_only_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own, other = CheckpointStore("/runs/a"), CheckpointStore("/runs/b")
    (own.temporary_folder() / "model").mkdir()
    kept = {other.temporary_folder(), tmp_path / "clism-checkpoint-x"}
    (tmp_path / "clism-checkpoint-x").mkdir()
    CheckpointStore("/runs/a").delete_temporary_folders()
    assert set(tmp_path.iterdir()) == kept


def test_checkpoints_without_checksums_are_refused_instead_of_deleted(store: CheckpointStore) -> None:
    """As those of earlier versions, which Ray Train has recorded."""
    old = Path(store.path(10))
    old.mkdir(parents=True)
    store.check_version(ray_snapshot="snapshot.json")  # an unfinished upload
    (old.parent / "snapshot.json").write_text("{}")
    with pytest.raises(InputError, match=r"have no checkpoint\.json"):
        store.check_version(ray_snapshot="snapshot.json")
    save(store, 20)
    store.check_version(ray_snapshot="snapshot.json")


def test_without_a_folder_there_are_no_checkpoints(store: CheckpointStore) -> None:
    assert (list(store.saved()), store.best(), store.complete()) == ([], [], [])
    store.delete_unfinished()
    store.check_version(ray_snapshot="snapshot.json")


@pytest.mark.parametrize(("metrics", "score"), [({}, float("-inf")), ({"score": 0.5}, 0.5)])
def test_score(metrics: dict[str, float], score: float) -> None:
    assert SavedCheckpoint("x", 1, metrics, {}).score == score
