"""The process that holds an output: how others name it, and how those on its machine see whether it still runs."""

import json
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import psutil


@dataclass(frozen=True)
class Holder:
    """A process."""

    host: str
    process_id: int
    started: float
    """Start of the process, in seconds since 1970."""
    machine: str
    """Identifies the machine since its start and, in containers, the numbering of its processes."""

    @classmethod
    def of_this_process(cls) -> Self:
        """Return this process."""
        process = psutil.Process()
        return cls(socket.gethostname(), process.pid, process.create_time(), _machine())

    def describe(self) -> str:
        """Return a clause that names the process."""
        started = datetime.fromtimestamp(self.started, UTC)
        return f"process {self.process_id} on {self.host}, started {started:%Y-%m-%d %H:%M:%S} UTC, is writing it"

    def is_on_this_machine(self) -> bool:
        """Return whether the process runs, or has run, on this machine."""
        return self.machine == _machine()

    def is_lost(self) -> bool:
        """Return whether the process ran on this machine and has ended; False if that cannot be known here."""
        if not self.is_on_this_machine():
            return False
        try:
            return bool(abs(psutil.Process(self.process_id).create_time() - self.started) > 1)
        except psutil.NoSuchProcess:
            return True

    def to_json(self) -> bytes:
        """Return the process as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return the process in `content`; raises `ValueError` or `TypeError` if it holds none."""
        return cls(**json.loads(content))


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux
        return f"{socket.gethostname()} {psutil.boot_time()}"
