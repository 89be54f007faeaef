"""Checkpoints in an object store that rejects a part of all requests, and is gone for a while."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import torch
from checkpoint_files import state_bytes
from local_server import LocalServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from clism_core.training.checkpoint_store import KEPT, CheckpointStore
from clism_core.training.restore import latest_checkpoint

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

BUCKET = "failing"
"""Not that of other tests: moto keeps one set of buckets per process."""
REJECTED = 0.3
GONE = 5.0  # seconds
WEIGHTS = 12 * 2**20
"""Bytes of a file that pyarrow uploads in two parts."""


class FailingStore(LocalServer):
    """An S3 store at a fixed port of 127.0.0.1 that rejects a part of the requests."""

    def __init__(self) -> None:
        self.share = 0.0
        self.rejected = 0
        self._random = random.Random(0)
        self._application = DomainDispatcherApplication(create_backend_app)
        super().__init__()

    def answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self._random.random() >= self.share:
            answer: Iterable[bytes] = self._application(environ, start_response)
            return answer
        self.rejected += 1
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("503 Slow Down", [("Content-Length", "0")])
        return [b""]


@pytest.fixture
def failing_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingStore]:
    store = FailingStore()
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.uri)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
    store.share = REJECTED
    yield store
    store.stop()


def test_checkpoints_outlast_their_store(
    failing_store: FailingStore, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The store goes away while the third of four checkpoints is uploaded."""
    checkpoints = CheckpointStore(f"s3://{BUCKET}/run")
    contents = {step: weights_of(step) for step in (10, 20, 30, 40)}
    seconds = {}
    for step, weights in contents.items():
        local = tmp_path / str(step)
        (local / "model").mkdir(parents=True)
        (local / "model" / "model.safetensors").write_bytes(weights)
        (local / "training_state.pt").write_bytes(state_bytes(step=step))
        if step == 30:
            threading.Timer(0.05, failing_store.stop).start()
            threading.Timer(GONE, failing_store.start).start()
        began = time.monotonic()
        checkpoints.upload(local, step, {"step": step, "score": 1 / step})
        seconds[step] = time.monotonic() - began
    assert seconds[30] >= GONE - 1
    assert failing_store.rejected > 10

    kept = {saved.step: saved for saved in checkpoints.saved()}
    assert sorted(kept) == sorted({10, *sorted(contents)[-KEPT:]})  # the best one, and the last
    for saved in kept.values():
        saved.verify(saved.path)
    with latest_checkpoint(checkpoints, node_rank=0, local_rank=0) as folder:
        assert folder is not None
        assert (folder / "model" / "model.safetensors").read_bytes() == contents[40]
        assert torch.load(folder / "training_state.pt")["step"] == 40
    record_property("seconds_of_an_upload", round(seconds[20], 1))
    record_property("seconds_of_the_upload_in_which_the_store_was_gone", round(seconds[30], 1))
    record_property("rejected_requests", failing_store.rejected)


def weights_of(step: int) -> bytes:
    return random.Random(step).randbytes(WEIGHTS)
