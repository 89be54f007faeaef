"""Problems of nodes, from what was found on them; functions of their arguments only."""

import re
from collections.abc import Iterable, Iterator, Mapping

from clism_core.model.precision import PrecisionName
from clism_core.training.preflight.needs import OWN, Load, Needs
from clism_core.training.preflight.node import Gpu, NodeReport
from clism_core.utils.text import listed

BF16_CAPABILITY = (8, 0)
"""Least compute capability with bf16 units (A100); on older GPUs torch emulates them, several times slower."""
TRAINING_BYTES, CHECKPOINT_BYTES = 16, 12
"""Bytes per parameter in fp32: weights, gradients and Adam's two moments; without the gradients."""
_GIB = 2**30


def precision_problem(precision: PrecisionName, *, use_gpu: bool) -> str:
    """Return why a precision is not supported on the kind of device; empty if it is."""
    if precision == "fp16" and not use_gpu:
        return "--precision fp16: needs GPUs, but the workers train on CPUs; use fp32, bf16 or auto"
    return ""


def node_problems(report: NodeReport, needs: Needs, *, gpus: int | None) -> Iterator[str]:
    """Yield what keeps a node from running a training, one sentence each.

    Args:
        report: what was found on the node.
        needs: what the training needs.
        gpus: GPUs that Ray counts on the node; None if all that torch sees are to be used.
    """
    yield from _package_problems(report, needs)
    yield from report.problems
    loads = [load for load in needs.loads if load.use_gpu]
    if gpus == 0 or not loads:
        return
    if report.gpu_error:
        yield f"{report.gpu_error}; install the build of torch for the GPUs, and their driver"
        return
    wanted = len(report.gpus) if gpus is None else gpus
    if len(report.gpus) < wanted:
        yield f"Ray counts {wanted} GPUs, but torch finds {len(report.gpus)}; compare `nvidia-smi` with `--num-gpus`"
        return
    unsupported = [gpu for gpu in report.gpus if not is_supported(gpu.capability, report.architectures)]
    if len(report.gpus) - len(unsupported) < wanted:
        yield (
            f"torch was built for {', '.join(report.architectures)}, not for {_kinds(unsupported)}; install the build "
            "for these GPUs (CUDA 12.6 for V100)"
        )
    without_bf16 = [gpu for gpu in report.gpus if gpu.capability < BF16_CAPABILITY]
    if len(report.gpus) - len(without_bf16) < wanted and any(load.precision == "bf16" for load in loads):
        yield f"--precision bf16: not supported by {_kinds(without_bf16)}; use fp16, fp32 or auto"


def _package_problems(report: NodeReport, needs: Needs) -> Iterator[str]:
    for name, version in needs.packages.items():
        found = report.packages.get(name, "")
        if found == version:
            continue
        if name == OWN:
            yield f"another version of this project's code than on the driver's node; install the same one ({OWN})"
        else:
            yield f"{name} {found or 'is missing'}, but the driver has {version or 'none'}; install the same version"


def is_supported(capability: tuple[int, int], architectures: Iterable[str]) -> bool:
    """Return whether a build of torch has code for a GPU.

    Code of `sm_XY` runs on GPUs of the same major version and at least its minor version, `compute_XY` on all newer
    ones, and code with a letter, such as `sm_90a`, on its own architecture only. See "Binary Compatibility" and "PTX
    Compatibility" in NVIDIA's CUDA C++ Programming Guide.

    Args:
        capability: compute capability of the GPU.
        architectures: `torch.cuda.get_arch_list()`; empty for builds that need no such list.
    """
    parsed = [re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", name) for name in architectures]
    known = [(each[1], (int(each[2]), int(each[3])), each[4]) for each in parsed if each is not None]
    if not known:
        return True
    return any(
        capability == built or (not letter and built <= capability and (kind == "compute" or built[0] == capability[0]))
        for kind, built, letter in known
    )


def node_warnings(report: NodeReport, needs: Needs, *, cpus: float, gpus: int | None) -> Iterator[str]:
    """Yield where memory or disk of a node are probably too small, one sentence each, with the estimate.

    Args:
        report: what was found on the node.
        needs: what the training needs.
        cpus: CPUs of the node.
        gpus: as for `node_problems`.
    """
    for load in needs.loads:
        if not load.parameters:
            continue
        if load.use_gpu and (gpus is None or gpus) and report.gpus:
            yield from _gpu_memory_warnings(report, load)
        elif not load.use_gpu:
            yield from _memory_warnings(report, load, cpus=cpus)
        size = load.parameters * CHECKPOINT_BYTES
        for folder, free in report.free_disk.items():
            # Three checkpoints are kept in the output, and a fourth is written; the temporary folder holds one.
            copies = 4 if folder == needs.output else 1
            if free < copies * size:
                yield (
                    f"{folder} has {_gib(free)} free, but {_number(copies, 'checkpoint')} of weights and Adam's "
                    f"moments take about {_gib(copies * size)} ({_parameters(load)} x {CHECKPOINT_BYTES} bytes each)"
                )


def _gpu_memory_warnings(report: NodeReport, load: Load) -> Iterator[str]:
    needed = load.parameters * TRAINING_BYTES
    smallest = min(report.gpus, key=lambda gpu: gpu.memory)
    room = int(smallest.memory * load.gpus)
    if needed > room:
        yield (
            f"{smallest.name} has {_gib(room)} of memory for a worker, but weights, gradients and Adam's moments alone "
            f"take {_gib(needed)} ({_parameters(load)} x {TRAINING_BYTES} bytes)"
        )


def _memory_warnings(report: NodeReport, load: Load, *, cpus: float) -> Iterator[str]:
    workers = min(load.workers, int(cpus / load.cpus)) if load.cpus else load.workers
    needed = workers * load.parameters * TRAINING_BYTES
    if workers and needed > report.free_memory:
        yield (
            f"{_gib(report.free_memory)} of memory are free, but weights, gradients and Adam's moments alone take "
            f"{_gib(needed)} ({_number(workers, 'worker')} x {_parameters(load)} x {TRAINING_BYTES} bytes)"
        )


def grouped(found: Mapping[str, Iterable[str]]) -> list[str]:
    """Return each sentence once, with the nodes on which it holds.

    Args:
        found: sentences by name of the node.
    """
    nodes: dict[str, list[str]] = {}
    for node, sentences in found.items():
        for sentence in dict.fromkeys(sentences):
            nodes.setdefault(sentence, []).append(node)
    return [
        f"on {'all nodes' if len(names) == len(found) > 1 else listed(sorted(names))}: {sentence}"
        for sentence, names in nodes.items()
    ]


def _kinds(gpus: Iterable[Gpu]) -> str:
    names = dict.fromkeys(f"{gpu.name} (compute capability {gpu.capability[0]}.{gpu.capability[1]})" for gpu in gpus)
    return listed(names)


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _parameters(load: Load) -> str:
    return f"{load.parameters:,} parameters"
