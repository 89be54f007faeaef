"""Sync: metrics that waited for the MLflow server, from a run's output folder -> MLflow.

    python jobs/sync.py --output runs/xlmr
    python jobs/sync.py --output s3://bucket/sweeps/temperature          (a sweep or study: all of its runs)

A job whose MLflow server is unreachable keeps training, and keeps its metrics in OUTPUT/unsent_metrics. The next start
with the same output sends them, too; this job only sends. No metric is logged twice. MLFLOW_TRACKING_URI names the
server.
"""

import sys
from dataclasses import dataclass

from clism_core.command_line import run_job, show
from clism_core.tracking.lifecycle import send_unsent
from clism_core.tracking.run import ui_command
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri
from clism_core.utils.storage import absolute, exists


@dataclass
class SyncConfig:
    """Configuration of the job."""

    output: str
    """Output folder of a job, or a folder above several."""


def main(config: SyncConfig) -> None:
    """Send the metrics, and print their numbers."""
    output = absolute(config.output)
    if not exists(output):
        raise InputError(f"--output {config.output}: does not exist; give the output folder of a job")
    show(summary(send_unsent(output, recursive=True), output=output))


def summary(sent: dict[str, int], *, output: str) -> str:
    """Return the text printed at the end, given the number of metric values by run."""
    if not sent:
        return f"No metrics wait in {output}."
    lines = [f"Sent {count:,} metric values of run {run_id}." for run_id, count in sent.items()]
    return "\n".join([*lines, f"In MLflow: {ui_command(tracking_uri())}"])


if __name__ == "__main__":
    sys.exit(run_job(SyncConfig, main, description=__doc__))
