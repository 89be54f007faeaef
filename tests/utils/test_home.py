from pathlib import Path

import pytest

from clism_core.utils.errors import InputError
from clism_core.utils.home import default_output, home, tracking_uri


def test_home_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLISM_HOME", str(tmp_path / "new" / "home"))
    assert home() == tmp_path / "new" / "home"
    assert home().is_dir()


def test_home_defaults_to_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CLISM_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".clism"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("http://mlflow:5000", "http://mlflow:5000", id="server"),
        pytest.param("postgresql://db/mlflow", "postgresql://db/mlflow", id="database"),
        pytest.param("sqlite:////abs/x.db", "sqlite:////abs/x.db", id="absolute-file"),
        pytest.param("sqlite:///x.db", "sqlite:///{cwd}/x.db", id="relative-file"),
        pytest.param("", "sqlite:///{home}/mlflow.db", id="none"),
    ],
)
def test_tracking_uri(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home_folder: Path, given: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    assert tracking_uri() == expected.format(cwd=tmp_path, home=home_folder)


def test_default_output_names_job_and_time(home_folder: Path) -> None:
    folder = Path(default_output("pretrain"))
    assert folder.parent == home_folder / "outputs"
    job, day, time = folder.name.split("-")
    assert (job, len(day), len(time)) == ("pretrain", 8, 6)
    assert (day + time).isdigit()


def test_a_home_folder_that_cannot_be_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("CLISM_HOME", str(folder))
        with pytest.raises(InputError, match=rf"CLISM_HOME {folder}: cannot be created: (File exists|Not a directory)"):
            home()
