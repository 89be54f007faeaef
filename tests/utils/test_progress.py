import pytest

from clism_core.utils.progress import Progress


@pytest.mark.parametrize(
    ("total", "done", "seconds", "line"),
    [
        pytest.param(None, 12_000, 6.0, "12,000 rows, 2,000 a second", id="total-unknown"),
        pytest.param(10_000, 2_500, 30.0, "2,500 of 10,000 rows (25%), 83 a second, 1 min 30 s left", id="minutes"),
        pytest.param(10_000, 100, 60.0, "100 of 10,000 rows (1%), 2 a second, 1 h 39 min left", id="hours"),
        pytest.param(10_000, 0, 60.0, "0 rows, 0 a second", id="nothing-yet"),
    ],
)
def test_line(total: int | None, done: int, seconds: float, line: str) -> None:
    progress = Progress("making samples", total=total)
    progress.add(done)
    assert progress.line(seconds) == line
