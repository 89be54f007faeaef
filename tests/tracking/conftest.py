from pathlib import Path

import pytest

from clism_core.tracking.lifecycle import start_run
from clism_core.tracking.run import TrackedRun


@pytest.fixture
def run(home_folder: Path) -> TrackedRun:
    return start_run(job="pretrain", output="/outputs/first")
