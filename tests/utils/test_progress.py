import pytest

from clism_core.utils.progress import Progress, duration, time_left


@pytest.mark.parametrize(
    ("total", "done", "seconds", "line"),
    [
        pytest.param(None, 12_000, 6.0, "12,000 rows, 2,000 rows/s", id="total-unknown"),
        pytest.param(10_000, 2_500, 30.0, "2,500 of 10,000 rows (25%), 83 rows/s, 1 min 30 s left", id="minutes"),
        pytest.param(10_000, 100, 60.0, "100 of 10,000 rows (1%), 2 rows/s, 1 h 39 min left", id="hours"),
        pytest.param(10_000, 0, 60.0, "0 rows, 0 rows/s", id="nothing-yet"),
    ],
)
def test_line(total: int | None, done: int, seconds: float, line: str) -> None:
    progress = Progress("making samples", total=total)
    progress.add(done)
    assert progress.line(seconds) == line


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(0.4, "0 min 00 s", id="none"),
        pytest.param(59.6, "1 min 00 s", id="rounded up"),
        pytest.param(3599.4, "59 min 59 s", id="minutes"),
        pytest.param(360_000, "100 h 00 min", id="hours"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_time_left_follows_from_the_rate_so_far() -> None:
    assert time_left(60, done=4, left=6) == "1 min 30 s"
    assert time_left(60, done=0, left=2) == "2 min 00 s"
