"""Outputs are held by one process, whatever happens to it, and found to be unusable before any work."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from clism_core.utils import object_lease, storage
from clism_core.utils.errors import FailureError, InputError
from clism_core.utils.output_lock import exclusive_file, exclusive_folder

HOLDING = """
import sys, time
from clism_core.utils.output_lock import exclusive_folder
with exclusive_folder(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(output: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that holds a folder, until the end of the block."""
    process = subprocess.Popen([sys.executable, "-c", HOLDING, output], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_holder_is_named(root: str) -> None:
    with holder(root) as process:
        began = time.monotonic()
        with pytest.raises(InputError) as refused, exclusive_folder(root):
            pass
        assert time.monotonic() - began < 5
        message = str(refused.value)
        assert message.startswith(f"--output {root}: process {process.pid} on {os.uname().nodename}, started 20")
        assert "wait until it ends, or give another one" in message


def test_a_killed_process_holds_nothing(root: str, caplog: pytest.LogCaptureFixture) -> None:
    with holder(root) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with exclusive_folder(root):
            pass
    assert storage.list_files(root) == []


def test_nothing_is_left_by_a_holder_that_ends(root: str) -> None:
    for _ in range(2):
        with exclusive_folder(root):
            storage.write_bytes(storage.join(root, "x"), b"x")
            with pytest.raises(InputError, match="is writing it"), exclusive_folder(root):
                pass
        assert storage.list_files(root) == [f"{root}/x"]


def test_files_of_one_folder_are_held_one_by_one(root: str) -> None:
    with (
        exclusive_file(f"{root}/a.jsonl"),
        exclusive_file(f"{root}/b.jsonl"),
        pytest.raises(InputError, match=r"a\.jsonl: process"),
        exclusive_file(f"{root}/a.jsonl"),
    ):
        pass
    assert storage.list_files(root) == []


def test_unfinished_files_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    unique = "0123456789abcdef" * 2
    kept = [".hidden", "x", f".{unique}", f"a.{unique}", f".b.jsonl.{unique}", "deep/.a.jsonl.123"]
    deleted = [f".a.jsonl.{unique}", f".a.jsonl.rejects.jsonl.{unique}", f"deep/.part.parquet.{unique}"]
    for name in [*kept, *deleted]:
        storage.write_bytes(str(tmp_path / name), b"x")
    with exclusive_file(str(tmp_path / "a.jsonl")):
        assert not any((tmp_path / name).exists() for name in deleted[:2])
        assert all((tmp_path / name).exists() for name in [*kept, deleted[2]])
    with exclusive_folder(str(tmp_path)):
        assert {file for file in storage.list_files(str(tmp_path)) if not file.endswith("/.lock")} == {
            str(tmp_path / name) for name in kept if name != f".b.jsonl.{unique}"
        }


def refuse(*_: object, **__: object) -> None:
    raise OSError(28, os.strerror(28))


@pytest.mark.parametrize(
    ("make", "hold", "reason"),
    [
        pytest.param(lambda root: root.touch(), exclusive_folder, "File exists", id="file"),
        pytest.param(lambda root: root.parent.joinpath("up").touch(), exclusive_folder, "Not a dir", id="below-a-file"),
        pytest.param(lambda root: root.mkdir(), exclusive_file, "it is a folder", id="folder"),
        pytest.param(
            lambda _: None, lambda path: exclusive_folder(path + "x" * 300), "name too long", id="long-folder"
        ),
        pytest.param(lambda _: None, lambda path: exclusive_file(path + "x" * 220), "name is too long", id="long-file"),
        pytest.param(lambda _: None, lambda _: exclusive_folder("/proc/new"), "cannot be written", id="read-only"),
    ],
)
def test_unusable_outputs(
    tmp_path: Path,
    make: Callable[[Path], None],
    hold: Callable[[str], AbstractContextManager[None]],
    reason: str,
) -> None:
    path = tmp_path / "output"
    make(path)
    below = (tmp_path / "up").exists()
    output = str(tmp_path / "up" / "output") if below else str(path)
    with pytest.raises(InputError, match=f"^--output .*{reason}"), hold(output):
        pass


def test_a_full_disk_is_found_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(InputError, match="No space left"), exclusive_folder(str(tmp_path / "x")):
        pass


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", missing)
    for _ in range(2):  # nothing is left that would refuse the second one
        with exclusive_folder(str(tmp_path / "out")):
            assert "its file system has no locks; run one job at a time for it" in caplog.text


def test_unreachable_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with (
        pytest.raises(InputError, match="--output s3://bucket/x: cannot be written"),
        exclusive_folder("s3://bucket/x"),
    ):
        pass


def test_no_such_bucket(bucket: str) -> None:
    with pytest.raises(InputError, match="bucket does not exist"), exclusive_folder(f"{bucket}-2/x"):
        pass


def leave_lease(path: str, **changes: object) -> None:
    """Write the lease of a process on another machine."""
    fields = {"host": "elsewhere", "process_id": 7, "started": 0.0, "machine": "m", "owner": "o", "beat": "b"}
    storage.write_bytes(path, json.dumps(fields | changes).encode())


def test_a_lease_without_heartbeat_is_taken_over(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    output = f"{bucket}/{tmp_path.name}"
    leave_lease(f"{output}/.lock")
    monkeypatch.setattr(object_lease, "EXPIRY", 3.0)  # the store's times are whole seconds
    monkeypatch.setattr(object_lease, "POLL", 0.1)
    with exclusive_folder(output):
        assert re.search(r"waiting for its next heartbeat, or until its lease expires in \d s", caplog.text)
        assert "taken over from a lost process (process 7 on elsewhere" in caplog.text
        assert b"elsewhere" not in storage.read_bytes(f"{output}/.lock")
    assert storage.list_files(output) == []


def test_a_process_on_another_machine_is_alive_if_it_renews_its_lease(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = f"{bucket}/{tmp_path.name}/.lock"
    leave_lease(lock)
    monkeypatch.setattr(object_lease, "POLL", 0.1)
    monkeypatch.setattr("time.sleep", lambda _: leave_lease(lock, beat="c"))
    with pytest.raises(InputError, match="process 7 on elsewhere"), exclusive_folder(f"{bucket}/{tmp_path.name}"):
        pass


def test_a_heart_beats_on_after_a_lost_answer(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repeated request is refused, and at first the store does not say who holds the lease."""
    monkeypatch.setattr(object_lease, "HEARTBEAT", 0.05)
    asked, find = list[bool](), object_lease._Lease._find

    def find_later(lease: object_lease._Lease) -> object_lease._Found | None:
        asked.append(True)
        if len(asked) == 1:
            raise EndpointConnectionError(endpoint_url="x")
        return find(lease)

    with exclusive_folder(f"{bucket}/{tmp_path.name}"):
        monkeypatch.setattr(object_lease._Lease, "_find", find_later)
        lock = f"{bucket}/{tmp_path.name}/.lock"
        fields = json.loads(storage.read_bytes(lock))
        storage.write_bytes(lock, json.dumps(fields | {"beat": "lost"}).encode())
        end = time.monotonic() + 10
        while len(asked) < 2 or b'"lost"' in storage.read_bytes(lock):
            assert time.monotonic() < end


def test_a_heartbeat_renews_the_lease(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_lease, "HEARTBEAT", 0.05)
    lock = f"{bucket}/{tmp_path.name}/.lock"
    with exclusive_folder(f"{bucket}/{tmp_path.name}"):
        first, end = storage.read_bytes(lock), time.monotonic() + 10
        while storage.read_bytes(lock) == first:
            assert time.monotonic() < end


def test_a_process_that_lost_its_lease_stops(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_lease, "HEARTBEAT", 0.05)
    output, received = f"{bucket}/{tmp_path.name}", list[int]()
    monkeypatch.setattr("os.kill", lambda _, number: received.append(number))
    held = exclusive_folder(output)
    held.__enter__()
    leave_lease(f"{output}/.lock")
    end = time.monotonic() + 10
    while not received:
        assert time.monotonic() < end
        time.sleep(0.01)
    with pytest.raises(FailureError, match="another process has taken it over"):
        held.__exit__(None, None, None)
    assert received == [signal.SIGTERM]
    assert b"elsewhere" in storage.read_bytes(f"{output}/.lock")
