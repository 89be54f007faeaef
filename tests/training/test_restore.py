"""Choice of the checkpoint to resume from, without a cluster."""

import io
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from checkpoint_files import DAMAGE, STATE, save, state_bytes

from clism_core.training import restore
from clism_core.training.checkpoint_store import CheckpointStore
from clism_core.training.restore import latest_checkpoint
from clism_core.utils import storage
from clism_core.utils.errors import InputError


def list_bytes() -> bytes:
    file = io.BytesIO()
    torch.save([1], file)
    return file.getvalue()


def resumed_head(store: CheckpointStore) -> bytes | None:
    """Return the head in the checkpoint to resume from."""
    with latest_checkpoint(store, node_rank=0, local_rank=0) as folder:
        return None if folder is None else (folder / "model" / "span_head.safetensors").read_bytes()


def test_a_new_run_has_no_checkpoint(tmp_path: Path) -> None:
    assert resumed_head(CheckpointStore(str(tmp_path / "out"))) is None


@pytest.mark.parametrize("damage", [damage for damage, _ in DAMAGE.values()], ids=DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    damage: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(damage)
    store = CheckpointStore(str(tmp_path / "out"))
    save(store, 10)
    save(store, 20)
    assert resumed_head(store) == b"head 20"
    assert not caplog.text
    damage(Path(store.path(20)))
    assert resumed_head(store) == b"head 10"
    assert "step-00000020 is damaged" in caplog.text
    assert f"resuming from {store.path(10)}" in caplog.text
    save(store, 15)
    assert [saved.step for saved in store.saved()] == [15, 10]  # the damaged one does not count


def test_a_checkpoint_that_one_node_reads_wrongly_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = CheckpointStore(str(tmp_path / "out"))
    save(store, 10)
    save(store, 20)
    fetch = restore._fetch

    def fetch_wrongly(store: CheckpointStore, folder: str, downloads: ExitStack) -> tuple[Path, str]:
        local, problem = fetch(store, folder, downloads)
        return local, "a stale view" if folder == store.path(20) else problem

    monkeypatch.setattr(restore, "_fetch", fetch_wrongly)
    assert resumed_head(store) == b"head 10"
    assert "step-00000020 has all its files, but cannot be used: a stale view; resuming from" in caplog.text
    assert [saved.step for saved in store.saved()] == [20, 10]


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        pytest.param(b"", "is not a file of torch", id="empty"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "is not a file of torch", id="text"),
        pytest.param(STATE[: len(STATE) // 2], "is not a file of torch", id="cut off"),
        pytest.param(STATE.replace(b"optimizer", b"\xff" * 9), "is not a file of torch", id="damaged within"),
        pytest.param(state_bytes(step=Path("x")), "is not a file of torch", id="an object"),
        pytest.param(list_bytes(), "lacks optimizer, scaler, schedule, step", id="a list"),
    ],
)
def test_a_checkpoint_that_was_written_without_a_usable_state_is_passed_over(
    state: bytes, problem: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its digests fit, because they are those of the unusable file."""
    store = CheckpointStore(str(tmp_path / "out"))
    save(store, 10)
    save(store, 20, state=state)
    assert resumed_head(store) == b"head 10"
    assert f"{store.path(20)} has all its files, but cannot be used: training_state.pt {problem}" in caplog.text
    save(store, 20)  # training comes to this step again
    assert resumed_head(store) == b"head 20"


def test_all_checkpoints_damaged_is_an_error_that_leaves_them_in_place(tmp_path: Path) -> None:
    store = CheckpointStore(str(tmp_path / "out"))
    for step in (10, 20):
        (Path(save(store, step)) / "training_state.pt").unlink()
    with pytest.raises(InputError, match=r"step-00000020: training_state\.pt is missing; .*step-00000010: "):
        resumed_head(store)
    assert len(store.complete()) == 2


def test_unfinished_uploads_are_not_resumed_from(tmp_path: Path) -> None:
    """Also if the record of Ray Train is damaged: it is not read."""
    store = CheckpointStore(str(tmp_path / "out"))
    save(store, 10)
    (Path(save(store, 20)) / "checkpoint.json").unlink()
    (Path(store.root) / "checkpoint_manager_snapshot.json").write_text('{"ray_version"')
    assert resumed_head(store) == b"head 10"
    assert not Path(store.path(20)).exists()


def test_a_copy_of_a_remote_checkpoint_is_verified_and_deleted(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = CheckpointStore(f"{bucket}/restored")
    save(store, 10)
    save(store, 20)
    storage.write_bytes(storage.join(store.path(20), "training_state.pt"), b"?" * len(STATE))
    assert resumed_head(store) == b"head 10"
    assert "training_state.pt has other content" in caplog.text
    assert not list(tmp_path.iterdir())
