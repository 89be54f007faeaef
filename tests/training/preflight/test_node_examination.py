import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow_server import Server

from clism_core.training.config import RunSettings, WorkersConfig
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.training.preflight.needs import (
    OWN,
    PACKAGES,
    Load,
    Needs,
    installed_packages,
    needs_of_workers,
)
from clism_core.training.preflight.node import access_problems, examine, write_problem
from clism_core.training.preflight.problems import node_problems
from clism_core.utils.digests import description_digest


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "samples").mkdir(parents=True)
    (folder / "manifest.json").write_text('{"samples": 1}')
    (folder / "samples" / "0.parquet").write_bytes(b"rows")
    return folder


def test_a_node_that_has_all_it_needs(data: Path, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "seen").touch()
    needs = Needs(
        packages=installed_packages(),
        paths=(str(data),),
        folders={str(data): description_digest(str(data))},
        output=str(tmp_path / "output"),
        marker=str(tmp_path / "output" / "seen"),
        is_tracked=True,
        loads=(Load("bf16", use_gpu=False),),
    )
    report = examine(needs)
    assert list(node_problems(report, needs, gpus=0)) == []
    assert report.free_memory > 0
    assert str(tmp_path / "output") in report.free_disk
    assert [file.name for file in (tmp_path / "output").iterdir()] == ["seen"]


def test_packages_are_those_installed_here() -> None:
    import torch

    packages = installed_packages()
    assert packages.keys() == {"Python", *PACKAGES, OWN}
    assert all(packages.values())
    assert packages["torch"] == torch.__version__.partition("+")[0]


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    missing, output = str(tmp_path / "missing"), str(tmp_path / "output")
    needs = Needs(paths=(missing,), folders={missing: ""}, output=output, marker=f"{output}/seen")
    assert [problem.split(";")[0] for problem in access_problems(needs)] == [
        f"{missing} is not there",
        f"{missing} is not there",
        f"--output {output}: not there, or not the driver's folder",
    ]
    assert not Path(output).exists(), "another folder of this name would hide that it is not shared"


@pytest.mark.parametrize("change", ["description", "size", "lost"])
def test_data_other_than_the_drivers(data: Path, tmp_path: Path, change: str) -> None:
    copy = shutil.copytree(data, tmp_path / "copy")
    digest = description_digest(str(data))
    assert description_digest(str(copy)) == digest
    (copy / ".lock").touch()
    assert description_digest(str(copy)) == digest, "a job reads the data"
    if change == "description":
        (copy / "manifest.json").write_text('{"samples": 2}')
    elif change == "size":
        (copy / "samples" / "0.parquet").write_bytes(b"more rows")
    else:
        (copy / "samples" / "0.parquet").unlink()
    (problem,) = access_problems(Needs(folders={str(copy): digest}))
    assert problem.startswith(f"{copy} has other files than on the driver's node; ")


def test_an_output_that_cannot_be_written() -> None:
    problem = write_problem("/proc/self/fdinfo")  # not even by root
    assert problem.startswith("--output /proc/self/fdinfo: cannot be written: ")
    assert "make it writable" in problem


def test_a_bucket_that_does_not_exist(bucket: str, data: Path) -> None:
    assert write_problem(f"{bucket}/output") == ""
    assert "--output s3://other/output: cannot be written" in write_problem("s3://other/output")
    (problem,) = access_problems(Needs(folders={f"{bucket}/data": description_digest(str(data))}))
    assert problem.startswith(f"{bucket}/data is not there")


def test_a_tracking_server_that_does_not_answer(server: Server) -> None:
    assert list(access_problems(Needs(is_tracked=True))) == []
    server.stop()
    (problem,) = access_problems(Needs(is_tracked=True))
    assert f"MLflow's tracking store {server.uri} cannot be used" in problem


SETTINGS = RunSettings(
    model="xlm-roberta-base",
    output="s3://bucket/output",
    seed=0,
    global_batch_size=8,
    micro_batch_size=None,
    precision="bf16",
    export="last",
    optimizer=OptimizerConfig(),
    loop=LoopConfig(),
    workers=WorkersConfig(),
)


def test_workers_that_start_later_wait_for_stores_that_are_away() -> None:
    needs = needs_of_workers(SETTINGS, use_gpu=True)
    assert (needs.output, needs.marker, needs.paths, needs.is_tracked) == (None, None, (), False)
    assert needs.packages == installed_packages()
    assert needs.loads == (Load("bf16", use_gpu=True),)


def test_workers_on_other_nodes_see_model_and_output(tmp_path: Path) -> None:
    settings = replace(SETTINGS, model=str(tmp_path / "model"), output=str(tmp_path / "output"), check=False)
    needs = needs_of_workers(settings, use_gpu=True)
    problems = list(node_problems(examine(needs), needs, gpus=None))
    assert [problem.split(" ")[0] for problem in problems] == [f"{tmp_path / 'model'}", "--output"]
    (tmp_path / "model").mkdir()
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "run.json").touch()
    assert list(node_problems(examine(needs), needs, gpus=None)) == []
