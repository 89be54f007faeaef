"""The batch script, run with stand-ins for Slurm's commands and for `ray symmetric-run`, which starts the job alike."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "slurm.sh"
COMMANDS = {
    "scontrol": 'if [ "$1" = show ]; then echo node1; echo node2; else echo "$@" >> "$ROOT/calls"; fi',
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
    "ray": 'echo "$@" >> "$ROOT/calls"; while [ "$1" != -- ]; do shift; done; shift; "$@"',
}
JOB = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("started", *sys.argv[1:], flush=True)
time.sleep(60 if "wait" in sys.argv else 0)
sys.exit(3)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose job waits to be stopped, or fails with status 3."""
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    (commands / "activate").write_text(f'export PATH="{commands}:$PATH"\n')
    for name, body in COMMANDS.items():
        (commands / name).write_text(f"#!/bin/bash\n{body}\n")
        (commands / name).chmod(0o755)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "pretrain.py").write_text(JOB)
    shutil.copy(SCRIPT, tmp_path / "slurm.sh")
    return tmp_path


def start(checkout: Path, *arguments: str) -> subprocess.Popen[str]:
    variables = {
        "ROOT": str(checkout),
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_ID": "12345",
        "SLURM_GPUS_ON_NODE": "8",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "USER": subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip(),
    }
    return subprocess.Popen(
        ["bash", "slurm.sh", *arguments],
        cwd=checkout,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_the_job_runs_on_a_cluster_of_all_nodes_and_its_status_is_that_of_the_script(checkout: Path) -> None:
    process = start(checkout, "--data", "two words")
    output, _ = process.communicate(timeout=30)
    assert "started --data two words" in output
    assert process.returncode == 3
    assert (checkout / "calls").read_text() == (
        "symmetric-run --address node1:22345 --min-nodes 2 --num-gpus 8 -- python jobs/pretrain.py --data two words\n"
    )


@pytest.mark.skipif(shutil.which("pkill") is None, reason="pkill is not installed")
def test_a_signal_stops_the_job_alone_and_queues_it_again(checkout: Path) -> None:
    process = start(checkout, "wait")
    assert process.stdout is not None
    assert process.stdout.readline() == "started wait\n"
    time.sleep(0.2)  # the shell reaches its `wait`
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert "stopped with status 143; queued again" in output
    assert process.returncode == 143
    assert (checkout / "calls").read_text().splitlines()[1:] == ["requeue 12345"]


def test_several_nodes_need_a_tracking_server(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "activate").open("a").write("unset MLFLOW_TRACKING_URI\n")
    process = start(checkout)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "several nodes need an MLflow server" in output
    assert not (checkout / "calls").exists()
