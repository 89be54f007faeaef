import json
import os
import re
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).parents[1] / "two_nodes.py")]
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # a short path, for sockets; Ray stores the address of the latest cluster there
        environment = {**os.environ, "RAY_TMPDIR": folder}
        ended = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True, timeout=300)
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def test_trials_run_on_the_node_of_their_sweep_even_if_others_have_more_memory(found: dict[str, Any]) -> None:
    assert found["here"] != found["other"]
    assert [node for node, _, _ in found["trials"]] == [found["here"]] * 4
    assert found["own_resource"].startswith("node:")


def test_number_of_concurrent_trials_is_limited(found: dict[str, Any]) -> None:
    in_turn = found["trials_in_turn"]
    assert [node for node, _, _ in in_turn] == [found["here"]] * 4
    assert all(ended <= began for (_, _, ended), (_, began, _) in pairwise(in_turn))
    assert any(ended > began for (_, _, ended), (_, began, _) in pairwise(found["trials"]))


def test_process_without_reserved_gpu_sees_none(found: dict[str, Any]) -> None:
    assert (found["gpus_of_none"], found["gpus_of_one"]) == ("", "0")


def test_memory_of_this_node_limits_concurrent_runs(found: dict[str, Any]) -> None:
    assert found["small_runs"] == 3  # of 8, by CPUs


def test_max_concurrent_is_required_if_no_run_fits_yet(found: dict[str, Any]) -> None:
    assert (
        "a run needs 4.25 CPUs and 8 GPUs, but the cluster has only 4 CPUs and 1 GPUs now; start when more nodes have "
        "joined, or set --max_concurrent"
    ) in found["large_runs"]
    assert found["large_runs_by_number"] == 2


def test_several_nodes_are_checked_without_being_asked_to(found: dict[str, Any]) -> None:
    """They share no tracking server, and torch does not find the GPU that Ray counts on one of them."""
    _, *problems = found["unfit_cluster"].split("\n- ")
    assert len(problems) == 2
    assert problems[0].startswith("several nodes cannot share sqlite:///")
    assert re.match(rf"on \S+ \({found['other'][:8]}\): torch \S+ (is a build without CUDA|finds no GPU)", problems[1])
