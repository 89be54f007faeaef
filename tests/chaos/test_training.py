"""Faults during whole trainings, whose samples, losses and weights are compared with those of an undisturbed one."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from recorded_training import (
    Reference,
    assert_undisturbed,
    once_trained,
    read_records,
    read_reference,
    run,
    write_config,
)

from clism_core.pretraining.config import PretrainConfig

pytestmark = [pytest.mark.chaos, pytest.mark.ray, pytest.mark.slow]

HANG_TIMEOUT = 10.0  # seconds


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    return write_config(tmp_path_factory.mktemp("chaos"))


@pytest.fixture(scope="module")
def reference(ray_cluster: None, config: PretrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    root = tmp_path_factory.mktemp("undisturbed")
    run(replace(config, output=str(root / "out")), root / "records")
    return read_reference(str(root / "out"), root / "records")


def test_a_stopped_worker_is_replaced_within_the_stated_time(
    reference: Reference, config: PretrainConfig, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    output, records = str(tmp_path / "out"), tmp_path / "records"
    processes: list[psutil.Process] = []

    def stop() -> None:
        processes.append(psutil.Process(next(record.pid for record in read_records(records) if record.rank == 1)))
        os.kill(processes[0].pid, signal.SIGSTOP)

    workers = replace(config.workers, hang_timeout=HANG_TIMEOUT)
    with once_trained(records, 20, stop) as stopped:
        run(replace(config, output=output, workers=workers), records)
    assert not processes[0].is_running()
    repeated = assert_undisturbed(output, records, reference)
    assert 0 < repeated <= 10  # two checkpoints: the last may have been on its way
    recovery = next(record.began for record in read_records(records)[2:]) - stopped[0]
    assert HANG_TIMEOUT - 5 < recovery < config.workers.hang_timeout
    record_property("recovery_seconds", round(recovery, 1))
    record_property("repeated_steps", repeated)
