from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from clism_core.model.precision import PrecisionName
from clism_core.training.preflight.needs import Load, Needs
from clism_core.training.preflight.node import Gpu, NodeReport
from clism_core.training.preflight.problems import (
    grouped,
    is_supported,
    node_problems,
    node_warnings,
    precision_problem,
)

GIB = 2**30
V100 = Gpu("V100", (7, 0), 16 * GIB)
A100 = Gpu("A100", (8, 0), 40 * GIB)
CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
CU130 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")
VERSIONS = {"Python": "3.11", "ray": "2.60.0", "torch": "2.13.0", "clism_core": "0123456789ab"}


def gpu_load(precision: PrecisionName = "auto", **fields: Any) -> Load:
    return Load(precision, use_gpu=True, **fields)


@pytest.mark.parametrize(
    ("capability", "architectures", "supported"),
    [
        pytest.param((7, 0), CU126, True, id="v100-on-cuda-12.6"),
        pytest.param((7, 0), CU130, False, id="v100-on-cuda-13"),
        pytest.param((8, 9), CU130, True, id="minor-version-of-the-same-major"),
        pytest.param((7, 0), ("sm_75",), False, id="older-than-its-minor-version"),
        pytest.param((12, 1), ("compute_90",), True, id="compiled-when-loaded"),
        pytest.param((8, 0), ("compute_90",), False, id="older-than-the-intermediate-code"),
        pytest.param((9, 0), ("sm_90a",), True, id="own-architecture"),
        pytest.param((12, 1), ("sm_120a",), False, id="only-its-own-architecture"),
        pytest.param((7, 0), ("gfx90a",), True, id="rocm"),
        pytest.param((7, 0), (), True, id="no-list"),
    ],
)
def test_architectures(capability: tuple[int, int], architectures: Sequence[str], supported: bool) -> None:
    assert is_supported(capability, architectures) == supported


@pytest.mark.parametrize(
    ("gpus", "architectures", "counted", "precision", "problem"),
    [
        pytest.param((V100,) * 2, CU126, 2, "auto", None, id="v100"),
        pytest.param((V100,) * 2, CU126, 2, "fp16", None, id="v100-fp16"),
        pytest.param((A100,) * 2, CU130, 2, "bf16", None, id="a100-bf16"),
        pytest.param((V100, A100), CU126, 1, "bf16", None, id="one-gpu-of-two-given-to-ray"),
        pytest.param((), (), 0, "bf16", None, id="node-without-gpus"),
        pytest.param(
            (V100,),
            CU126,
            1,
            "bf16",
            "--precision bf16: not supported by V100 (compute capability 7.0)",
            id="v100-bf16",
        ),
        pytest.param((V100,), CU130, 1, "fp16", "not for V100 (compute capability 7.0)", id="build-without-v100"),
        pytest.param((A100,), CU126, 2, "auto", "Ray counts 2 GPUs, but torch finds 1", id="fewer-than-ray-counts"),
        pytest.param((V100, A100), CU126, None, "bf16", "not supported by V100", id="all-that-a-worker-sees"),
    ],
)
def test_gpus(
    gpus: tuple[Gpu, ...],
    architectures: tuple[str, ...],
    counted: int | None,
    precision: PrecisionName,
    problem: str | None,
) -> None:
    report = NodeReport(gpus=gpus, architectures=architectures)
    problems = list(node_problems(report, Needs(loads=(gpu_load(precision),)), gpus=counted))
    assert len(problems) == (problem is not None)
    assert problem is None or problem in problems[0]


def test_torch_without_gpus_matters_on_nodes_with_gpus_only() -> None:
    report = NodeReport(gpu_error="torch 2.13.0+cpu is a build without CUDA")
    needs = Needs(loads=(gpu_load(),))
    assert list(node_problems(report, needs, gpus=0)) == []
    (problem,) = node_problems(report, needs, gpus=8)
    assert problem == f"{report.gpu_error}; install the build of torch for the GPUs, and their driver"
    assert list(node_problems(report, needs, gpus=None)) == [problem]
    assert list(node_problems(report, Needs(loads=(Load("auto", use_gpu=False),)), gpus=8)) == []


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        pytest.param({}, None, id="same"),
        pytest.param({"torch": "2.12.0"}, "torch 2.12.0, but the driver has 2.13.0", id="other-version"),
        pytest.param({"ray": ""}, "ray is missing, but the driver has 2.60.0", id="missing"),
        pytest.param({"clism_core": "ba9876543210"}, "another version of this project's code", id="own-code"),
    ],
)
def test_packages(changed: dict[str, str], problem: str | None) -> None:
    report = NodeReport(packages=VERSIONS | changed)
    problems = list(node_problems(report, Needs(packages=VERSIONS), gpus=0))
    assert len(problems) == (problem is not None)
    assert problem is None or problem in problems[0]


def test_packages_are_not_compared_without_versions_of_the_driver() -> None:
    assert list(node_problems(NodeReport(), Needs(), gpus=0)) == []


@pytest.mark.parametrize(
    ("precision", "use_gpu", "fits"),
    [("fp16", False, False), ("fp16", True, True), ("bf16", False, True), ("auto", False, True)],
)
def test_precision_by_kind_of_device(precision: PrecisionName, use_gpu: bool, fits: bool) -> None:
    assert (precision_problem(precision, use_gpu=use_gpu) == "") is fits


PARAMETERS = GIB  # 1,073,741,824 parameters: 16 GiB to train, 12 GiB a checkpoint


@pytest.mark.parametrize(
    ("load", "found", "warning"),
    [
        pytest.param(gpu_load(parameters=PARAMETERS), {"gpus": (V100,)}, None, id="gpu-just-large-enough"),
        pytest.param(
            gpu_load(parameters=PARAMETERS + 2**26),
            {"gpus": (A100, V100)},
            "V100 has 16.0 GiB of memory for a worker, but weights, gradients and Adam's moments alone take 17.0 GiB "
            "(1,140,850,688 parameters x 16 bytes)",
            id="smallest-gpu-too-small",
        ),
        pytest.param(
            gpu_load(parameters=PARAMETERS, gpus=0.25), {"gpus": (A100,)}, "A100 has 10.0 GiB", id="share-of-a-gpu"
        ),
        pytest.param(
            Load("auto", use_gpu=False, workers=8, cpus=2.0, parameters=PARAMETERS),  # 2 of them fit in 4 CPUs
            {"free_memory": 31 * GIB},
            "31.0 GiB of memory are free, but weights, gradients and Adam's moments alone take 32.0 GiB (2 workers x "
            "1,073,741,824 parameters x 16 bytes)",
            id="memory",
        ),
        pytest.param(
            Load("auto", use_gpu=False, workers=1, parameters=PARAMETERS), {"free_memory": 16 * GIB}, None, id="enough"
        ),
        pytest.param(Load("auto", use_gpu=False), {"free_memory": 0}, None, id="unknown-size"),
        pytest.param(
            gpu_load(parameters=PARAMETERS),
            {"free_disk": {"/tmp": 11 * GIB, "/output": 48 * GIB}},
            "/tmp has 11.0 GiB free, but 1 checkpoint of weights and Adam's moments take about 12.0 GiB (1,073,741,824 "
            "parameters x 12 bytes each)",
            id="temporary-folder",
        ),
        pytest.param(
            gpu_load(parameters=PARAMETERS),
            {"free_disk": {"/tmp": 12 * GIB, "/output": 47 * GIB}},
            "/output has 47.0 GiB free, but 4 checkpoints of weights and Adam's moments take about 48.0 GiB",
            id="output",
        ),
    ],
)
def test_estimates(load: Load, found: dict[str, Any], warning: str | None) -> None:
    needs = Needs(output="/output", loads=(load,))
    warnings = list(node_warnings(replace(NodeReport(), **found), needs, cpus=4, gpus=len(found.get("gpus", ()))))
    assert len(warnings) == (warning is not None)
    assert warning is None or warning in warnings[0]


def test_the_same_problem_on_several_nodes_is_one_line() -> None:
    found = {"b": ["old torch", "no bucket"], "a": ["old torch", "old torch"], "c": ["no bucket"]}
    assert grouped(found) == ["on a, b: old torch", "on b, c: no bucket"]
    assert grouped({"a": ["x"], "b": ["x"]}) == ["on all nodes: x"]
    assert grouped({"a": ["x"]}) == ["on a: x"]
    assert grouped({"a": []}) == []
