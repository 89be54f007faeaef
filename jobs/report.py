"""Report: an MLflow run, and those that its model and data come from -> one HTML page.

    python jobs/report.py --run runs/evaluate                            (output folder of a job, or an MLflow run id)
    python jobs/report.py --run 3f0c... --predictions answers.jsonl --output report.html

The page shows training samples, curves, tables and predictions, and says how to repeat each run. It is one file, which
needs no network, and is written without Ray. MLFLOW_TRACKING_URI names the server.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from clism_core.command_line import run_job, show
from clism_core.report.lineage import find_run, lineage, prepared_folders
from clism_core.report.page import read_predictions, render
from clism_core.report.samples import samples_of
from clism_core.report.steps import read_step
from clism_core.tracking.check import check_tracking
from clism_core.tracking.points import tracking_client
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri
from clism_core.utils.storage import absolute, is_local, write_bytes


@dataclass
class ReportConfig:
    """Configuration of the job."""

    run: str
    """Id of an MLflow run, or the output folder of its job."""
    output: str = "report.html"
    """HTML file to write; it is replaced."""
    predictions: str = ""
    """File written by jobs/predict.py, whose first 50 rows are shown."""


def main(config: ReportConfig) -> None:
    """Write the page, and print its path."""
    check_tracking()
    output = absolute(config.output)
    if is_local(output) and Path(output).is_dir():
        raise InputError(f"--output {config.output}: is a folder; give the name of an HTML file")
    client = tracking_client(tracking_uri())
    runs = lineage(client, find_run(client, config.run))
    predictions = read_predictions(config.predictions) if config.predictions else None
    steps = [read_step(client, run) for run in runs]
    samples = samples_of(prepared_folders(runs))
    page = render(steps, samples=samples, predictions=predictions, tracking_uri=tracking_uri())
    write_bytes(output, page.encode(errors="backslashreplace"))  # a lone surrogate of a prediction
    show(f"Report of {len(runs)} run(s): {output}")


if __name__ == "__main__":
    sys.exit(run_job(ReportConfig, main, description=__doc__))
