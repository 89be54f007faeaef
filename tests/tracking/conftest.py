"""A tracking store of its own for each test, and a run in it; copied: making one takes MLflow two seconds."""

import shutil
from pathlib import Path

import pytest

from clism_core.tracking.lifecycle import start_run
from clism_core.tracking.run import TrackedRun


@pytest.fixture
def home_folder(home_folder: Path, empty_store: Path) -> Path:
    """Put a tracking store into the test's home folder."""
    home_folder.mkdir()
    shutil.copy(empty_store, home_folder)
    return home_folder


@pytest.fixture
def run(home_folder: Path) -> TrackedRun:
    return start_run(job="pretrain", output="/outputs/first")
