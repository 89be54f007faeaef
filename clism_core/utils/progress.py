"""How far a stage is, and how long it still takes, as lines of the log."""

import logging
import time

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts what is done, and logs it every ten seconds at most."""

    def __init__(self, what: str, *, total: int | None = None) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._began = self._logged = time.monotonic()

    def add(self, count: int) -> None:
        """Count some more."""
        self._done += count
        now = time.monotonic()
        if now - self._logged >= _SECONDS_BETWEEN_LINES:
            self._logged = now
            logger.info("%s: %s", self._what, self.line(now - self._began))

    def line(self, seconds: float) -> str:
        """Return what is done after so many seconds."""
        rate = self._done / seconds
        if self._total is None or rate == 0:
            return f"{self._done:,} rows, {rate:,.0f} a second"
        left = (self._total - self._done) / rate
        return (
            f"{self._done:,} of {self._total:,} rows ({self._done / self._total:.0%}), {rate:,.0f} a second, "
            f"{_duration(left)} left"
        )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
