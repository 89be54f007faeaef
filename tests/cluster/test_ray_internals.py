"""Whether the pinned version of Ray has the private names that the library uses, as it uses them."""

import inspect
import logging
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray._private import accelerators, ray_constants, ray_logging, services, worker
from ray._private.authentication import authentication_token_setup
from ray.train import PreemptionInfo, UserCallback
from ray.train.torch import TorchConfig
from ray.train.v2._internal.execution import context, train_fn_utils
from ray.train.v2._internal.execution.preemption import PreemptionContext
from ray.train.v2._internal.execution.worker_group import worker_group

from clism_core.cluster.connect import WORKER_ENVIRONMENT
from clism_core.cluster.process_group import OneAddressTorchConfig
from clism_core.cluster.ray_internals import (
    WorkersStart,
    address_file,
    before_connecting,
    find_address,
    preemption_notice,
    skip_log_lines,
)


@pytest.fixture
def deduplicators() -> Iterator[list[ray_logging.LogDeduplicator]]:
    found = [ray_logging.stdout_deduplicator, ray_logging.stderr_deduplicator]
    before = [lines.skip_re for lines in found]
    yield found
    for lines, skip_re in zip(found, before, strict=True):
        lines.skip_re = skip_re


def test_ray_has_what_is_used() -> None:
    assert list(inspect.signature(services.get_ray_address_from_environment).parameters) == ["addr", "temp_dir"]
    assert list(inspect.signature(worker.connect).parameters)[:3] == ["node", "session_name", "mode"]
    assert "connect(" in inspect.getsource(worker.init)  # looked up in the module, where it can be replaced
    assert isinstance(ray_constants.ENABLE_RAY_CLUSTER, bool)
    assert ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR == "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    assert isinstance(authentication_token_setup.logger, logging.Logger)
    source = inspect.getsource(authentication_token_setup.ensure_token_if_auth_enabled)
    assert "generate_and_save_token()" in source  # looked up in the module, where it can be replaced
    assert '"_temp_dir"' in inspect.getsource(worker.init)


def test_names_of_variables_are_those_of_ray() -> None:
    assert accelerators.RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO_ENV_VAR in WORKER_ENVIRONMENT
    assert 'os.environ.get("RAY_DEDUP_LOGS_SKIP_REGEX")' in inspect.getsource(ray_constants)


def test_the_backend_of_torch_is_started_as_expected() -> None:
    backend = OneAddressTorchConfig().backend_cls
    parent = TorchConfig().backend_cls
    assert issubclass(backend, parent)
    assert list(inspect.signature(parent.on_start).parameters) == ["self", "worker_group", "backend_config"]
    assert list(inspect.signature(backend.on_start).parameters) == ["self", "worker_group", "backend_config"]


def test_callbacks_are_given_what_sweeps_expect() -> None:
    parameters = list(inspect.signature(UserCallback.after_report).parameters)
    assert parameters == ["self", "run_context", "metrics", "checkpoint"]


def test_a_notice_of_preemption_is_read_without_a_collective(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `ray.train.get_preemption_info` reads it before its barrier."""
    source = inspect.getsource(train_fn_utils.DistributedTrainFnUtils.get_preemption_info)
    assert "get_internal_train_context().preemption_context.preemption_info" in source
    assert "preemption_context" in {entry.name for entry in fields(context.TrainContext)}
    info = PreemptionInfo(deadline_ms=1000, preempted_node_to_ranks={"a": [0]})
    received = SimpleNamespace(preemption_context=PreemptionContext())
    monkeypatch.setattr(context, "_train_context", received)
    assert preemption_notice() is None
    received.preemption_context.preemption_info = info  # as `mark_preempt` does
    assert preemption_notice() is info


def test_the_start_of_workers_is_told() -> None:
    assert "before_worker_group_start(" in inspect.getsource(worker_group)
    started: list[bool] = []
    WorkersStart(lambda: started.append(True)).before_worker_group_start(None)
    assert started == [True]


def test_the_address_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert find_address() == "10.0.0.1:6379"


def test_the_address_file_is_that_of_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert not address_file().exists()
    assert find_address() is None
    address_file().parent.mkdir()
    address_file().write_text("10.0.0.1:6379")
    assert find_address() == "10.0.0.1:6379"


def test_an_action_comes_before_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def connect(node: str) -> None:
        calls.append(node)
        raise ConnectionError("no connection")

    monkeypatch.setattr(worker, "connect", connect)
    with pytest.raises(ConnectionError, match="no connection"), before_connecting(lambda: calls.append("action")):
        worker.connect("node")
    assert calls == ["action", "node"]
    assert worker.connect is connect


def test_lines_are_skipped(deduplicators: list[ray_logging.LogDeduplicator]) -> None:
    skip_log_lines(iter(["noise", r"bars? \d"]))
    for lines in deduplicators:
        assert isinstance(lines.skip_re, re.Pattern)
        assert [bool(lines.skip_re.search(line)) for line in ("a noise", "bars 7", "news")] == [True, True, False]
