import json
import os
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
    ):  # a short path, for sockets; Ray notes there which cluster is the last
        environment = {**os.environ, "RAY_TMPDIR": folder}
        ended = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True, timeout=300)
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def test_trials_are_where_their_sweep_is_though_there_is_more_room_elsewhere(found: dict[str, Any]) -> None:
    assert found["here"] != found["other"]
    assert [node for node, _, _ in found["trials"]] == [found["here"]] * 4
    assert found["own_resource"].startswith("node:")


def test_no_more_trials_at_a_time_than_there_are_to_be(found: dict[str, Any]) -> None:
    in_turn = found["trials_in_turn"]
    assert [node for node, _, _ in in_turn] == [found["here"]] * 4
    assert all(ended <= began for (_, _, ended), (_, began, _) in pairwise(in_turn))
    assert any(ended > began for (_, _, ended), (_, began, _) in pairwise(found["trials"]))


def test_who_has_reserved_no_gpu_sees_none(found: dict[str, Any]) -> None:
    assert (found["gpus_of_none"], found["gpus_of_one"]) == ("", "0")


def test_as_many_runs_side_by_side_as_there_is_memory_here_for_their_processes(found: dict[str, Any]) -> None:
    assert found["small_runs"] == 3  # of 8, by CPUs


def test_a_number_of_runs_is_wanted_where_none_has_room_yet(found: dict[str, Any]) -> None:
    assert (
        "--max_concurrent: a run takes 4.25 CPUs and 8 GPUs, and the cluster has 4 CPUs and 1 " in found["large_runs"]
    )
    assert found["large_runs_by_number"] == 2
