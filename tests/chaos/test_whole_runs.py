"""Faults during whole trainings, whose samples, losses and weights are compared with those of an undisturbed one."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import sync
from mlflow_server import Server
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
from clism_core.tracking.points import unsent_files

pytestmark = [pytest.mark.chaos, pytest.mark.ray, pytest.mark.slow]

HANG_TIMEOUT = 10.0  # seconds
END = 120.0
"""Seconds in which a job ends that waits half a second for its server, beside MLflow's own timeouts."""


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
    assert 0 < repeated <= 15  # three intervals of checkpoints: the last one may have been on its way
    recovery = next(record.began for record in read_records(records)[2:]) - stopped[0]
    assert HANG_TIMEOUT - 5 < recovery < config.workers.hang_timeout
    record_property("recovery_seconds", round(recovery, 1))
    record_property("repeated_steps", repeated)


def test_a_run_ends_without_its_tracking_server_and_has_one_curve_later(
    reference: Reference,
    config: PretrainConfig,
    server: Server,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    output, records = str(tmp_path / "out"), tmp_path / "records"
    with once_trained(records, 20, server.stop) as stopped:
        run(replace(config, output=output), records)
    ended = time.time() - stopped[0]
    assert ended < END
    assert unsent_files(output)
    server.start()
    sync.main(sync.SyncConfig(output=output))
    assert not unsent_files(output)
    assert assert_undisturbed(output, records, reference) == 0
    record_property("seconds_to_the_end", round(ended, 1))
