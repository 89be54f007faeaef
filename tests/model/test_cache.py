import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from clism_core.model.cache import IN_USE, cached

DISK = SimpleNamespace(total=4 * 250)  # the share of models is 250 bytes


@pytest.fixture
def download(home_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], Path]:
    """Return a function that downloads a model of 100 bytes, and sets its last use to so many hours ago."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: DISK)

    def fill(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"x" * 100)

    def download_model(key: str, hours: float) -> Path:
        folder = cached(key, fill)
        used = time.time() - hours * 3600
        os.utime(folder, (used, used))
        return folder

    return download_model


def test_least_recently_used_models_are_deleted(download: Callable[[str, float], Path]) -> None:
    models = {key: download(key, hours) for key, hours in {"a": 4, "b": 5, "c": 3}.items()}
    assert all(model.is_dir() for model in models.values())  # two take less than their share when the last one is added
    download("a", 2)  # used again
    download("new", 0)
    assert {key: model.is_dir() for key, model in models.items()} == {"a": True, "b": False, "c": True}
    assert not [path for path in models["a"].parent.iterdir() if path.suffix == ".partial"]


def test_models_that_may_be_in_use_are_kept(download: Callable[[str, float], Path]) -> None:
    models = [download(key, 0.9 * IN_USE / 3600) for key in "abcd"]
    old = download("old", 9)
    with FileLock(old.with_suffix(".lock")):  # another process is resolving it
        download("new", 0)
    assert all(model.is_dir() for model in [*models, old])
    download("newer", 0)
    assert not old.exists()
    assert all(model.is_dir() for model in models)
