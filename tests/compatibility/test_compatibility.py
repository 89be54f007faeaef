"""Prepared data and an unfinished run of an earlier version, kept beside this file: see README.md."""

import json
import shutil
from pathlib import Path

import pretrain as job
import pytest

from clism_core.command_line import run_job
from clism_core.preparation.verification import verify
from clism_core.pretraining.config import PretrainConfig
from clism_core.tracking.plots import read_curves
from clism_core.tracking.run import TrackedRun
from clism_core.training.checkpoint_store import CheckpointStore
from clism_core.training.export import read_exported

HERE = Path(__file__).parent


def test_kept_data_has_no_problems() -> None:
    assert verify(str(HERE / "data")).endswith("no problems in 72 samples and 2 rejects, in 4 files")


def test_kept_checkpoint_has_no_problems() -> None:
    (checkpoint,) = CheckpointStore(str(HERE / "run")).saved()
    checkpoint.verify(checkpoint.path)
    assert checkpoint.step == 6


@pytest.mark.ray
@pytest.mark.slow
def test_kept_run_resumes_to_equal_losses(ray_cluster: None, tmp_path: Path) -> None:
    output = tmp_path / "run"
    for name in ("data", "encoder", "run"):  # in another place than the run was begun
        shutil.copytree(HERE / name, tmp_path / name)
    places = {"output": output, "data": tmp_path / "data", "model": tmp_path / "encoder"}
    arguments = [f"--{name}={path}" for name, path in places.items()]
    arguments = ["--config", str(output / "config.yaml"), *arguments]
    assert run_job(PretrainConfig, job.main, description="", arguments=arguments) == 0
    exported = read_exported(str(output))
    assert exported is not None
    curves = read_curves(TrackedRun(exported.tracking_uri, exported.run_id, str(output)))
    for name, expected in json.loads((HERE / "losses.json").read_text()).items():
        found = {str(step): loss for step, loss in curves[name]}  # only steps after the checkpoint
        assert found == pytest.approx(expected, rel=1e-4), name  # as the golden losses
