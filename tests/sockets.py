"""Sockets that the processes below this one listen on, and which of them another machine could reach."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import NamedTuple

import psutil

INTERVAL = 0.5  # seconds


class Listening(NamedTuple):
    process: str
    """Name of the process; Ray names its workers after what they run."""
    address: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        address = ip_address(self.address)
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def listening_below() -> set[Listening]:
    """Return the TCP sockets on which this process and those below it listen."""
    found = set()
    this = psutil.Process()
    for process in [this, *this.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):  # a worker that has ended since
            for entry in process.net_connections(kind="tcp"):
                if entry.status == psutil.CONN_LISTEN:
                    name = " ".join(process.cmdline()[:1]) or process.name()
                    found.add(Listening(name, entry.laddr.ip, entry.laddr.port))
    return found


@contextmanager
def watched_sockets() -> Iterator[set[Listening]]:
    """Collect the sockets that are seen during the block, looking twice a second."""
    seen: set[Listening] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(INTERVAL):
            seen.update(listening_below())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
