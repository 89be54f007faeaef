import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import torch
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError
from ray.util.placement_group import PlacementGroup
from torch import Tensor

from clism_core.cluster import graceful_stop
from clism_core.cluster.graceful_stop import (
    NoWorkersError,
    RequestPoll,
    Requests,
    run_until_stopped,
    start_stop_request,
    stop_signals,
)
from clism_core.cluster.stop_request import StopRequest
from clism_core.command_line import EXIT_STOPPED
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.pretrain import Pretrained
from clism_core.pretraining.training import PRETRAINING
from clism_core.tracking.lifecycle import unfinished_run
from clism_core.tracking.run import TrackedRun
from clism_core.training.driver import Hooks


def start_worker() -> Any:
    class Worker:
        """A worker that is alive or not."""

    worker: Any = ray.remote(Worker).options(num_cpus=0)
    return worker.remote()


def listen(request: Any, worker: Any, *, run: str) -> Any:
    """Register `worker` as listener; return a reference that resolves once its run was asked to stop."""
    requested = request.listen.remote(run, worker)
    while ray.get(request.listener.remote(run)) is None:
        time.sleep(0.1)
    return requested


class Others:
    """Ray, the stop request, the notices of rank 0 and the votes of the other worker, as seen by one of two workers."""

    def __init__(self, rank: int, *, stop: int, save: int) -> None:
        self.step = 0
        self.acknowledged: list[str] = []
        self.collectives = 0
        self._rank, self._stop, self._save = rank, stop, save
        self.listen = self.acknowledge = SimpleNamespace(remote=lambda run, *_worker: run)
        self.get = self.acknowledged.append
        self.get_runtime_context = lambda: SimpleNamespace(current_actor=None)

    def wait(self, references: list[Any], **_timeout: int) -> tuple[list[Any], list[Any]]:
        return (references, []) if self.step == self._stop else ([], references)

    def is_save_due(self, save_seconds: float) -> bool:
        assert save_seconds == 7.0
        return self._rank == 1 or self.step == self._save  # rank 1 gets its notice at another time

    def sum_over_workers(self, votes: Tensor) -> list[float]:
        self.collectives += 1
        others = [float(self._rank == 1 and self.step == due) for due in (self._stop, self._save)]
        sums: list[float] = (votes + torch.tensor(others)).tolist()
        return sums


@pytest.mark.parametrize("rank", [0, 1])
def test_workers_agree_on_rank_0s_requests_by_one_collective_per_step(
    monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    others: Any = Others(rank, stop=4, save=2)
    monkeypatch.setattr(graceful_stop, "ray", others)
    monkeypatch.setattr(graceful_stop, "rank", lambda: rank)
    monkeypatch.setattr(graceful_stop, "sum_over_workers", others.sum_over_workers)
    poll = RequestPoll(others, others, torch.device("cpu"), run="this")
    found = []
    for others.step in range(1, 5):
        found.append(poll(7.0))
    assert found == [Requests(), Requests(save=True), Requests(), Requests(stop=True)]
    assert (others.collectives, others.acknowledged) == (4, ["this"] if rank == 0 else [])


@pytest.mark.ray
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_that_waits_for_nodes_stops_at_once(ray_cluster: None, number: signal.Signals) -> None:
    request: Any = start_stop_request()
    worker = start_worker()
    listen(request, worker, run="another")
    threading.Timer(1.0, os.kill, (os.getpid(), number)).start()
    with stop_signals(request.request.remote, "stopping") as received, pytest.raises(NoWorkersError):
        run_until_stopped(threading.Event().wait, request, run="this")
    assert received == [number]


@pytest.mark.parametrize(
    ("error", "has_listener"),
    [
        pytest.param(GetTimeoutError(), True, id="busy"),
        pytest.param(ActorUnavailableError("RpcError", b"0" * 16), True, id="call-failed"),
        pytest.param(ActorDiedError(), False, id="lost"),
    ],
)
def test_only_a_lost_worker_is_no_listener(
    monkeypatch: pytest.MonkeyPatch, error: Exception, has_listener: bool
) -> None:
    """Otherwise the run would end without saving."""

    def get(answer: object, **_timeout: float) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(ray, "get", get)
    worker = SimpleNamespace(__ray_ready__=SimpleNamespace(remote=lambda: error))
    request: Any = SimpleNamespace(
        is_acknowledged=SimpleNamespace(remote=lambda _: False), listener=SimpleNamespace(remote=lambda _: worker)
    )
    assert graceful_stop._has_listener(request, "this") is has_listener


def test_calls_of_a_stop_request_can_be_repeated() -> None:
    """Ray does so where an answer is lost."""
    request, group = StopRequest(), PlacementGroup.empty()

    async def use() -> list[PlacementGroup | None]:
        await request.note_workers("this", group)
        found = [await request.workers("this"), await request.workers("this")]
        await request.forget_workers("this")
        await request.forget_workers("this")
        return [*found, await request.workers("this")]

    assert asyncio.run(use()) == [group, group, None]


@pytest.mark.ray
def test_run_with_workers_finishes_first(ray_cluster: None) -> None:
    request: Any = start_stop_request()
    worker = start_worker()
    requested = listen(request, worker, run="this")

    def train() -> str:
        ray.get(requested)
        time.sleep(2)
        return "saved"

    threading.Timer(1.0, request.request.remote).start()
    assert run_until_stopped(train, request, run="this") == "saved"


@pytest.mark.ray
def test_run_that_acknowledged_finishes_first_even_without_workers(ray_cluster: None) -> None:
    request: Any = start_stop_request()
    worker = start_worker()
    requested = listen(request, worker, run="this")

    def train() -> str:
        ray.get(requested)
        ray.get(request.acknowledge.remote("this"))
        ray.kill(worker)
        time.sleep(2)
        return "saved"

    request.request.remote()
    assert run_until_stopped(train, request, run="this") == "saved"


@pytest.mark.ray
def test_run_that_lost_its_workers_stops_at_once(ray_cluster: None) -> None:
    request: Any = start_stop_request()
    worker = start_worker()
    listen(request, worker, run="this")
    ray.kill(worker)
    request.request.remote()
    with pytest.raises(NoWorkersError):
        run_until_stopped(threading.Event().wait, request, run="this")


WAITING = """
import os, signal, sys, threading, time
from dataclasses import dataclass
import ray
from clism_core.cluster.connect import connect
from clism_core.command_line import run_job, writing

@dataclass
class Config:
    '''No fields but one.'''
    size: int = 1

@ray.remote(num_cpus=0)
def wait():
    time.sleep(100)

def main(config):
    with writing("prepare", OUTPUT):
        connect(num_cpus=1)
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        ray.get(wait.remote())

OUTPUT = sys.argv.pop()
sys.exit(run_job(Config, main, description=None))
"""


@pytest.mark.ray
@pytest.mark.slow
def test_a_job_that_waits_for_ray_stops_with_its_own_status(tmp_path: Path) -> None:
    """Ray's core would print a stack, and abort after three seconds."""
    (tmp_path / "job.py").write_text(WAITING)
    command = [sys.executable, str(tmp_path / "job.py"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == EXIT_STOPPED[signal.SIGTERM], done.stdout + done.stderr
    assert "Stopped; the state is saved in" in done.stdout
    assert "SIGTERM received" not in done.stderr


def test_run_stopped_before_it_began_exports_nothing(home_folder: Path, tmp_path: Path) -> None:
    def wait_for_nodes(_config: Any, _run: TrackedRun, *, hooks: Hooks | None) -> Pretrained:
        raise NoWorkersError

    config = PretrainConfig(model=str(tmp_path), data="d", output=str(tmp_path / "run"))
    training = replace(PRETRAINING, train=wait_for_nodes, export=lambda *_: pytest.fail("exported"))
    assert training.run(config) is None
    run = unfinished_run(config.output)
    assert run is not None
    assert run.status() == "KILLED"
