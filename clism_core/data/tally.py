"""Counts of work done, kept outside the data: what runs twice is counted twice, whatever becomes of its rows."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import ray

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 10.0


class Counts(NamedTuple):
    """Rows worked on by stage, and rows beyond the caps by language pair."""

    work: dict[str, int]
    beyond_cap: dict[str, int]


class _Counter:
    """Holds the counts; the one actor that all tasks of a run report to."""

    def __init__(self) -> None:
        self._work: Counter[str] = Counter()
        self._beyond_cap: dict[str, dict[int, int]] = {}

    def add(self, stage: str, rows: int) -> None:
        self._work[stage] += rows

    def set_beyond_cap(self, pair: str, corpus: int, rows: int) -> None:
        self._beyond_cap.setdefault(pair, {})[corpus] = rows

    def read(self) -> Counts:
        beyond_cap = {pair: sum(rows.values()) for pair, rows in self._beyond_cap.items()}
        return Counts(dict(self._work), beyond_cap)


class Tally:
    """A handle on the counts of one run, to be passed to its tasks."""

    def __init__(self) -> None:
        self._counter: Any = ray.remote(_Counter).options(num_cpus=0).remote()

    def add(self, stage: str, rows: int) -> None:
        """Count `rows` that `stage` has worked on."""
        ray.get(self._counter.add.remote(stage, rows))

    def set_beyond_cap(self, pair: str, *, corpus: int, rows: int) -> None:
        """Note the rows beyond the cap of corpus number `corpus`; a task that is retried notes them again."""
        ray.get(self._counter.set_beyond_cap.remote(pair, corpus, rows))

    def read(self) -> Counts:
        """Return the counts so far."""
        counts: Counts = ray.get(self._counter.read.remote())
        return counts

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Log the counts every ten seconds where they have changed, from a thread, as long as the context lasts."""
        done = threading.Event()

        def log() -> None:
            before: dict[str, int] = {}
            while not done.wait(_SECONDS_BETWEEN_LINES):
                work = self.read().work
                if work != before:
                    logger.info("rows so far: %s", ", ".join(f"{rows:,} {stage}" for stage, rows in work.items()))
                before = work

        thread = threading.Thread(target=log, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
