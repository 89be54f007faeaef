"""A link between two hosts that is cut, without a word to either of them; the hosts are network namespaces."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

NAMES = [f"clism-chaos-{os.getpid()}-{rank}" for rank in range(2)]
ADDRESSES = ["10.231.0.1", "10.231.0.2"]
TIMEOUT = 10.0
"""Limit of a collective operation, in seconds."""


def ip(*arguments: str) -> str:
    """Run the command `ip`, and return what is wrong; empty if nothing is."""
    if shutil.which("ip") is None:
        return "the command is not installed"
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    return done.stderr.strip() or str(done.returncode) if done.returncode else ""


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Two network namespaces, connected by a link named `cable` on both sides."""
    commands = [
        *(["netns", "add", name] for name in NAMES),
        ["link", "add", "cable", "netns", NAMES[0], "type", "veth", "peer", "name", "cable", "netns", NAMES[1]],
        *(["-n", name, "addr", "add", f"{own}/24", "dev", "cable"] for name, own in zip(NAMES, ADDRESSES, strict=True)),
        *(["-n", name, "link", "set", device, "up"] for name in NAMES for device in ("lo", "cable")),
    ]
    try:
        for command in commands:
            if error := ip(*command):
                pytest.skip(f"network namespaces cannot be set up here: ip {' '.join(command)}: {error}")
        yield NAMES
    finally:
        for name in NAMES:
            ip("netns", "delete", name)


def test_both_sides_of_a_cut_link_fail_within_the_timeout(
    hosts: list[str], record_property: Callable[[str, object], None]
) -> None:
    """Their errors are taken for a failure that may pass, so that the run resumes."""
    script = str(Path(__file__).with_name("host.py"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    processes = []
    for rank, name in enumerate(hosts):
        arguments = [sys.executable, script, str(rank), ADDRESSES[rank], ADDRESSES[0], str(TIMEOUT)]
        processes.append(
            subprocess.Popen(
                ["ip", "netns", "exec", name, *arguments],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    try:
        port, _ = [line_of(process, "port ") for process in processes]
        for process in processes:
            stream_of(process.stdin).write(f"{port}\n")
            stream_of(process.stdin).flush()
        for process in processes:
            line_of(process, "step ")
        assert not ip("-n", hosts[0], "link", "set", "cable", "down")
        cut = time.monotonic()
        failures = [line_of(process, "failed ") for process in processes]
        recovery = time.monotonic() - cut
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [failure.split()[0] for failure in failures] == ["True", "True"], failures
    assert recovery < 2 * TIMEOUT
    record_property("seconds_to_the_error", round(recovery, 1))


def line_of(process: subprocess.Popen[str], prefix: str) -> str:
    """Return the rest of the next line with a prefix."""
    for line in stream_of(process.stdout):
        if line.startswith(prefix):
            return line.removeprefix(prefix).strip()
    raise AssertionError(f"the process has ended without {prefix}")


def stream_of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
