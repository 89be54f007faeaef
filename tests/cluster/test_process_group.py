"""The process group of two processes, without Ray."""

import multiprocessing
import os
import signal
import socket
from datetime import timedelta
from multiprocessing.connection import Connection

import psutil
import pytest
import torch
from sockets import listening_below
from torch import distributed as dist

from clism_core.cluster.collectives import is_communication_error
from clism_core.cluster.process_group import LOOPBACK, _stores, join, open_store

TIMEOUT = 120.0


def work(rank: int, address: str, wire: Connection) -> None:
    """Join a group of two, sum over it, and report this process's sockets."""
    if rank == 0:
        wire.send(open_store(address))
    port = wire.recv()
    join(
        own_rank=rank,
        address=address,
        store=(address, port),
        workers=2,
        backend="gloo",
        timeout=timedelta(seconds=TIMEOUT),
    )
    values = torch.tensor([float(rank + 1)])
    dist.all_reduce(values)
    wire.send((values.item(), listening_below(), os.environ["GLOO_SOCKET_IFNAME"]))
    wire.recv()
    dist.destroy_process_group()


def addresses() -> list[str]:
    """Return loopback, and an address of this machine on another interface, if there is one."""
    others = [
        entry.address
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family == socket.AF_INET and not entry.address.startswith("127.") and psutil.net_if_stats()[name].isup
    ]
    return [LOOPBACK, *others[:1]]


@pytest.mark.parametrize("address", addresses())
def test_workers_listen_on_one_address(address: str) -> None:
    context = multiprocessing.get_context("spawn")
    wires = [context.Pipe() for _ in range(2)]
    processes = [
        context.Process(target=work, args=(rank, address, inner), daemon=True) for rank, (_, inner) in enumerate(wires)
    ]
    for process in processes:
        process.start()
    try:
        outer = [wire for wire, _ in wires]
        assert outer[0].poll(TIMEOUT)
        port = outer[0].recv()
        for wire in outer:
            wire.send(port)
        for wire in outer:
            assert wire.poll(TIMEOUT)
            total, listening, interface = wire.recv()
            assert total == 3.0
            assert {entry.address for entry in listening} == {address}
            assert address in {entry.address for entry in psutil.net_if_addrs()[interface]}
        for wire in outer:
            wire.send("done")
        for process in processes:
            process.join(TIMEOUT)
        assert [process.exitcode for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()


def wait_for_the_other(rank: int, wire: Connection) -> None:
    """Join a group of two with a short timeout, and report the error of a sum to which only this process comes."""
    wire.send(open_store(LOOPBACK) if rank == 0 else 0)
    store = (LOOPBACK, wire.recv())
    join(own_rank=rank, address=LOOPBACK, store=store, workers=2, backend="gloo", timeout=timedelta(seconds=10))
    wire.send("joined")
    wire.recv()
    try:
        dist.all_reduce(torch.ones(1))
    except Exception as error:
        wire.send((is_communication_error(error), str(error)))


@pytest.mark.slow
def test_a_stopped_process_does_not_keep_the_others_waiting() -> None:
    context = multiprocessing.get_context("spawn")
    wires = [context.Pipe() for _ in range(2)]
    processes = [
        context.Process(target=wait_for_the_other, args=(rank, inner), daemon=True)
        for rank, (_, inner) in enumerate(wires)
    ]
    for process in processes:
        process.start()
    try:
        outer = [wire for wire, _ in wires]
        port, _ = [wire.recv() for wire in outer]
        for wire in outer:
            wire.send(port)
        assert [wire.recv() for wire in outer] == ["joined", "joined"]
        assert processes[1].pid is not None
        os.kill(processes[1].pid, signal.SIGSTOP)
        outer[0].send("sum")
        assert outer[0].poll(60)
        is_recognised, message = outer[0].recv()
        assert is_recognised, message
    finally:
        for process in processes:
            process.kill()


def test_address_of_another_machine_is_replaced_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """As in a node behind a router, whose Ray has the router's address."""
    port = open_store("198.51.100.1")
    try:
        assert "torch's store cannot listen on 198.51.100.1" in caplog.text
        socket.create_connection(("localhost", port), timeout=TIMEOUT).close()
    finally:
        _stores.clear()
