import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import ray

from clism_core.cluster.graceful_stop import UnheardError, run_stoppably, start_stop_request, stop_signals
from clism_core.pretraining.config import PretrainConfig
from clism_core.tracking.run import TrackedRun, unfinished_run
from clism_core.training.driver import Trained
from clism_core.training.export import train_and_deliver


def start_worker() -> Any:
    class Worker:
        """Is there, or is not."""

    worker: Any = ray.remote(Worker).options(num_cpus=0)
    return worker.remote()


def listen(request: Any, worker: Any, *, run: str) -> Any:
    """Let a worker listen; return what holds None once its run was asked to stop."""
    heard = request.listen.remote(run, worker)
    while ray.get(request.listener.remote(run)) is None:
        time.sleep(0.1)
    return heard


@pytest.mark.ray
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_waits_for_nodes_is_left_at_once(ray_cluster: None, number: signal.Signals) -> None:
    request: Any = start_stop_request()
    worker = start_worker()
    listen(request, worker, run="another")
    threading.Timer(1.0, os.kill, (os.getpid(), number)).start()
    with stop_signals(request.request.remote, "stopping") as came, pytest.raises(UnheardError):
        run_stoppably(threading.Event().wait, request, run="this")
    assert came == [number]


@pytest.mark.ray
def test_what_has_workers_is_waited_for(ray_cluster: None) -> None:
    request: Any = start_stop_request()
    worker = start_worker()
    heard = listen(request, worker, run="this")

    def train() -> str:
        ray.get(heard)
        time.sleep(2)
        return "saved"

    threading.Timer(1.0, request.request.remote).start()
    assert run_stoppably(train, request, run="this") == "saved"


@pytest.mark.ray
def test_what_has_heard_is_waited_for_though_its_workers_have_ended(ray_cluster: None) -> None:
    request: Any = start_stop_request()
    worker = start_worker()
    heard = listen(request, worker, run="this")

    def train() -> str:
        ray.get(heard)
        ray.get(request.hear.remote("this"))
        ray.kill(worker)
        time.sleep(2)
        return "saved"

    request.request.remote()
    assert run_stoppably(train, request, run="this") == "saved"


@pytest.mark.ray
def test_workers_that_are_lost_are_not_waited_for(ray_cluster: None) -> None:
    request: Any = start_stop_request()
    worker = start_worker()
    listen(request, worker, run="this")
    ray.kill(worker)
    request.request.remote()
    with pytest.raises(UnheardError):
        run_stoppably(threading.Event().wait, request, run="this")


def test_a_run_that_was_stopped_before_it_began_delivers_nothing(home_folder: Path, tmp_path: Path) -> None:
    def wait_for_nodes(_config: Any, _run: TrackedRun) -> Trained:
        raise UnheardError

    config = PretrainConfig(model=str(tmp_path), data="d", output=str(tmp_path / "run"))
    delivered = train_and_deliver("pretrain", config, train=wait_for_nodes, deliver=lambda *_: pytest.fail("delivered"))
    assert delivered is None
    run = unfinished_run(config.output)
    assert run is not None
    assert run.status() == "KILLED"
