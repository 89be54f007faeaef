"""Unusable tracking stores are found within seconds, in words."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clism_core.tracking.check import check_tracking
from clism_core.tracking.lifecycle import start_run
from clism_core.utils.errors import InputError

SECONDS = 30
"""Time for a check on a busy machine; MLflow itself retries for more than 100 s."""


class Answer(BaseHTTPRequestHandler):
    """Answers each request as its server says."""

    def do_GET(self) -> None:
        status, content = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """Serve what the test sets as `answer`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param((401, b"no"), "401", id="unauthorised"),
        pytest.param((403, b'{"error_code": "PERMISSION_DENIED", "message": "No"}'), "PERMISSION_DENIED", id="denied"),
        pytest.param((404, b"<html>Not found"), "404", id="other-server"),
        pytest.param((200, b"<html>Welcome"), "not in a valid JSON format", id="web-page"),
        pytest.param((200, b'{"a": 1}'), "the answer is not from an MLflow server", id="other-service"),
        pytest.param((500, b"oops"), "500", id="broken"),
    ],
)
def test_unusable_servers(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes], reason: str
) -> None:
    server.answer = answer  # type: ignore[attr-defined]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    refused(reason, advice="MLFLOW_TRACKING_USERNAME")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        pytest.param("http://no-such-host.invalid:5000", "resol", id="unknown-host"),
        pytest.param("http://127.0.0.1:9", "Connection refused", id="refused"),
        pytest.param("postgresql+nonsense://127.0.0.1/x", "nonsense", id="no-driver"),
        pytest.param("gopher://x", "gopher", id="unknown-scheme"),
        pytest.param("mlruns", "maintenance mode", id="folder"),
        pytest.param("sqlite:////proc/x.db", "unable to open", id="not-writable"),
        pytest.param("sqlite:///{tmp_path}/none/x.db", "unable to open", id="no-such-folder"),
        pytest.param("sqlite:///{tmp_path}", "unable to open", id="a-folder"),
        pytest.param("sqlite:///{tmp_path}/damaged.db", "not a database", id="damaged"),
    ],
)
def test_unusable_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, reason: str) -> None:
    (tmp_path / "damaged.db").write_bytes(b"x" * 4096)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(tmp_path=tmp_path))
    refused(reason, advice="MLFLOW_TRACKING_URI")


def refused(reason: str, *, advice: str) -> None:
    began = time.monotonic()
    with pytest.raises(InputError) as found:
        check_tracking()
    assert time.monotonic() - began < SECONDS
    assert "\n" not in str(found.value)
    assert reason in str(found.value).partition("; ")[0]
    assert advice in str(found.value)


def test_a_new_and_a_used_store_pass(home_folder: Path) -> None:
    check_tracking()
    start_run(job="prepare", output="/data/x")
    check_tracking()


def test_a_busy_store_passes(home_folder: Path) -> None:
    start_run(job="prepare", output="/data/x")
    with sqlite3.connect(home_folder / "mlflow.db") as other:
        other.execute("BEGIN IMMEDIATE")
        check_tracking()
        other.rollback()
