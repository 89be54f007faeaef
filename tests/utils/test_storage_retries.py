"""Requests to an object store that is overloaded or away for a while, as all processes repeat them."""

import http.client
import os
import pickle
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clism_core.utils import storage
from clism_core.utils.errors import InputError

AWAY = 1.0
"""Seconds for which the store refuses connections."""


class Overloaded(BaseHTTPRequestHandler):
    """Proxy of an object store that rejects two of three requests, as S3 does when there are too many."""

    protocol_version = "HTTP/1.1"
    store: str
    requests = 0
    rejected = 0

    def forward(self) -> None:
        content = b"".join(self._chunks())
        Overloaded.requests += 1
        if Overloaded.requests % 3:
            Overloaded.rejected += 1
            self._answer(503, {}, b"")
            return
        connection = http.client.HTTPConnection(self.store)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(self.command, self.path, content, headers)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
        self._answer(answer.status, kept, answer.read())
        connection.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = forward

    def _chunks(self) -> Iterator[bytes]:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


HOP_BY_HOP = ("connection", "expect", "transfer-encoding")


@pytest.fixture
def overloaded(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the bucket through `Overloaded`."""
    Overloaded.store = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    Overloaded.requests = Overloaded.rejected = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Overloaded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield bucket
    server.shutdown()
    server.server_close()


def test_rejected_requests_are_repeated(overloaded: str, tmp_path: Path) -> None:
    """More of them than the hundred after which AWS's newer strategy would give up."""
    path = f"{overloaded}/{tmp_path.name}/x"
    storage.write_bytes(path, b"x")
    while Overloaded.rejected <= 105:
        assert storage.exists(path)
    assert storage.read_bytes(path) == b"x"


def test_a_store_that_is_away_for_a_while_is_waited_for(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Overloaded.store, Overloaded.requests = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"), 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Overloaded, bind_and_activate=False)
    server.server_bind()  # refuses connections until it is activated
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    began = time.monotonic()

    def come_back() -> None:
        server.server_activate()
        server.serve_forever()

    threading.Timer(AWAY, come_back).start()
    storage.write_bytes(f"{bucket}/{tmp_path.name}/x", b"x")
    assert time.monotonic() - began > AWAY
    server.shutdown()
    server.server_close()


def test_other_processes_repeat_requests_as_often(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    store, _ = storage.filesystem(f"{bucket}/x")
    pickled = pickle.dumps(store)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
    assert storage.filesystem(f"{bucket}/x")[0].attempts == 9
    restored = pickle.loads(pickled)
    assert (restored.attempts, restored == store) == (2, True)


@pytest.mark.parametrize("given", ["many", "0", "-1"])
def test_attempts_are_a_number(bucket: str, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", given)
    with pytest.raises(InputError, match=f"AWS_MAX_ATTEMPTS {given}: give a number"):
        storage.filesystem(f"{bucket}/x")
