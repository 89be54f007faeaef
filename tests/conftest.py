"""What all tests share: a home folder of their own, no network, one Ray cluster a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the session out of the user's home and off the network; Ray's workers inherit it from here."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLISM_HOME", str(folder))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("RAY_ADDRESS", "local")  # never a cluster that happens to run here
        yield folder


@pytest.fixture
def home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give one test a home folder and a tracking store of its own."""
    monkeypatch.setenv("CLISM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    return tmp_path / "home"


@pytest.fixture(scope="session")
def ray_cluster(session_home: Path) -> Iterator[None]:
    """Run one local Ray cluster of four CPUs for all tests of the session that need one."""
    import ray

    from clism_core.cluster import connect

    connect(num_cpus=4)
    yield
    ray.shutdown()
