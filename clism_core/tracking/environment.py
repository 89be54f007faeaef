"""Environment of a run: versions and hardware."""

import importlib.metadata
import platform
import sys
from typing import Any


def environment() -> dict[str, Any]:
    """Describe the environment: Python, platform, package versions, GPUs and, if Ray is connected, the cluster."""
    import ray
    import torch

    packages = {package.metadata["Name"]: package.version for package in importlib.metadata.distributions()}
    return {
        "python": sys.version,
        "platform": platform.platform(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "cluster": ray.cluster_resources() if ray.is_initialized() else {},
        "packages": dict(sorted(packages.items())),
    }
