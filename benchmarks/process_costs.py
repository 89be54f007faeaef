"""CPU time, peak memory and lifetime of every process that a job starts, Ray's own included.

    python benchmarks/process_costs.py python jobs/pretrain.py --config jobs/configs/demo.yaml --output OUT ...

What a process uses in its last 0.2 seconds is not counted.
"""

import argparse
import dataclasses
import re
import subprocess
import time

import psutil
import tabulate

INTERVAL = 0.2


@dataclasses.dataclass
class Process:
    """What was seen of a process."""

    name: str
    first_seen: float
    """Seconds since the start of the command."""
    cpu: float = 0.0
    """Seconds of CPU time."""
    memory: int = 0
    """Greatest resident set size, in bytes."""
    last_seen: float = 0.0


def main() -> None:
    """Run a command and print a table of its processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="command of a job")
    given = parser.parse_args()
    seen: dict[int, Process] = {}
    start = time.monotonic()
    with subprocess.Popen(given.command) as job:
        while job.poll() is None:
            observe(psutil.Process(job.pid), seen, time.monotonic() - start)
            time.sleep(INTERVAL)
    rows = [
        (each.name, f"{each.first_seen:.0f}", f"{each.last_seen:.0f}", f"{each.cpu:.1f}", each.memory >> 20)
        for each in sorted(seen.values(), key=lambda each: each.first_seen)
    ]
    print(tabulate.tabulate(rows, ["process", "from (s)", "to (s)", "CPU (s)", "memory (MiB)"], tablefmt="github"))
    print(f"\n{len(rows)} processes, {sum(each.cpu for each in seen.values()):.0f} seconds of CPU time")
    raise SystemExit(job.returncode)


def observe(job: psutil.Process, seen: dict[int, Process], now: float) -> None:
    """Update what was seen of a job and of all processes below it."""
    for process in [job, *job.children(recursive=True)]:
        try:
            with process.oneshot():
                # A worker of Ray has the name of its actor, or IDLE between tasks, which replaces an earlier one.
                entry = seen.setdefault(process.pid, Process("", now))
                entry.name = title(process.cmdline()) or entry.name
                entry.cpu = max(entry.cpu, sum(process.cpu_times()[:2]))
                entry.memory = max(entry.memory, process.memory_info().rss)
                entry.last_seen = now
        except psutil.Error:  # it has ended
            continue


def title(command: list[str]) -> str:
    """Return the name of a process without the folders of its program and script."""
    named = [word.rsplit("/", 1)[-1] for word in command if word and not word.startswith("-")][:2]
    return re.split(r"[.(]", " ".join(named))[0] if named and named[0].startswith("ray::") else " ".join(named)


if __name__ == "__main__":
    main()
