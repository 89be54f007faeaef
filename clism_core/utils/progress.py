"""Log lines about the progress of long work: counts, rates and remaining time."""

import logging
import time

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counter of finished rows, logged at most every ten seconds.

    Args:
        what: Name of the work, at the start of each line.
        total: Number of rows to process; without it, the remaining time is not logged.
    """

    def __init__(self, what: str, *, total: int | None = None) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._began = self._logged = time.monotonic()

    def add(self, count: int) -> None:
        """Add `count` finished rows."""
        self._done += count
        now = time.monotonic()
        if now - self._logged >= _SECONDS_BETWEEN_LINES:
            self._logged = now
            logger.info("%s: %s", self._what, self.line(now - self._began))

    def line(self, seconds: float) -> str:
        """Return a text about the progress after `seconds` of work."""
        rate = f"{self._done / seconds:,.0f} rows/s"
        if not self._total or not self._done:
            return f"{self._done:,} rows, {rate}"
        left = time_left(seconds, done=self._done, left=self._total - self._done)
        return f"{self._done:,} of {self._total:,} rows ({self._done / self._total:.0%}), {rate}, {left} left"


def time_left(seconds: float, *, done: int, left: int) -> str:
    """Return the estimated duration of `left` units of work, given that `done` units took `seconds`."""
    return duration(seconds / max(1, done) * left)


def duration(seconds: float) -> str:
    """Format a duration, such as `1 h 39 min` or `1 min 05 s`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
