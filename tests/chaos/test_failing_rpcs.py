"""Calls between Ray's processes that fail, or whose answers are lost."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.ray, pytest.mark.slow]

FAILURES = {"num_failures": -1, "req_failure_prob": 20, "resp_failure_prob": 20, "in_flight_failure_prob": 0}
STOP_REQUEST = """
import time
import ray
from ray.util import placement_group
from clism_core.cluster.connect import connect
from clism_core.cluster.graceful_stop import release_workers, start_stop_request

connect(num_cpus=1)
request = start_stop_request()
assert not any(ray.get([request.is_requested.remote() for _ in range(10)]))
workers = placement_group([{"CPU": 1}])
assert workers.wait(60)
ray.get(request.note_workers.remote("run", workers))
release_workers(request, run="run")
while ray.available_resources().get("CPU") != 1:
    time.sleep(0.1)
assert ray.get(request.workers.remote("run")) is None
ray.get(request.request.remote())
assert ray.get(request.is_requested.remote())
print("all calls were answered")
"""


def test_calls_of_a_stop_request_are_repeated_until_they_are_answered() -> None:
    """Otherwise a run would be taken for lost, and started a second time beside itself."""
    failures = json.dumps({"CoreWorkerService.grpc_client.PushTask": FAILURES})
    environment = os.environ | {"RAY_testing_rpc_failure": failures}
    command = [sys.executable, "-c", STOP_REQUEST]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert "all calls were answered" in ended.stdout, ended.stderr
    assert "Setting RpcFailureManager" in ended.stderr  # so that calls did fail
