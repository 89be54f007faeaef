"""Full disks, as the libraries report them."""

import errno
import sqlite3
from pathlib import Path

import pytest
from ray.train import WorkerGroupError

from clism_core.utils import storage
from clism_core.utils.disk_space import full_disk


class SafetensorError(Exception):
    """Has the name of the library's."""


FULL = OSError(errno.ENOSPC, "No space left on device")
QUOTA = OSError(errno.EDQUOT, "Disk quota exceeded")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(FULL, id="python"),
        pytest.param(QUOTA, id="quota"),
        pytest.param(OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"), id="pyarrow"),
        pytest.param(
            SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
            id="safetensors",
        ),
        pytest.param(
            RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), id="torch.save"
        ),
        pytest.param(sqlite3.OperationalError("database or disk is full"), id="sqlite"),
        pytest.param(WorkerGroupError("a traceback", {1: FULL}), id="worker"),
    ],
)
def test_a_full_disk_is_one_line_with_the_space_that_is_left(tmp_path: Path, error: Exception) -> None:
    failure = full_disk(error, [str(tmp_path / "not" / "yet"), str(tmp_path)])
    assert failure is not None
    assert "no space is left on the disk" in str(failure)
    assert f"MiB at {tmp_path}" in str(failure)
    assert "make room, and the same command resumes" in str(failure)
    assert "\n" not in str(failure)


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), ValueError("28"), ZeroDivisionError()])
def test_other_errors_are_none(error: Exception) -> None:
    assert full_disk(error, ["/tmp"]) is None


def test_a_failed_write_names_the_file_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as failed:
        storage.write_bytes(str(tmp_path / "a" / "x"), b"x")
    assert list((tmp_path / "a").iterdir()) == []
    failure = full_disk(failed.value, [str(tmp_path)])
    assert f"no space is left on the disk for {tmp_path}/a/x (" in str(failure)
