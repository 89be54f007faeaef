"""Report: an MLflow run, and those that its model and data come from -> one HTML page.

    python jobs/report.py --run runs/evaluate                            (output folder of a job, or an MLflow run id)
    python jobs/report.py --run 3f0c... --predictions answers.jsonl --output report.html

The page shows training samples, curves, tables and predictions, and says how to repeat each run. It is one file, which
needs no network, and is written without Ray. MLFLOW_TRACKING_URI names the server.
"""

import logging
import sys
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run

from clism_core.command_line import run_job, show
from clism_core.report.lineage import find_run, lineage, prepared_folders
from clism_core.report.page import read_predictions, render
from clism_core.report.samples import ShownSample, example_samples
from clism_core.report.steps import read_step
from clism_core.tracking.check import check_tracking
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri
from clism_core.utils.storage import absolute, write_bytes

logger = logging.getLogger(__name__)


@dataclass
class ReportConfig:
    """Configuration of the job."""

    run: str
    """Id of an MLflow run, or the output folder of its job."""
    output: str = "report.html"
    """HTML file to write; it is replaced."""
    predictions: str = ""
    """JSONL file written by jobs/predict.py, whose first 50 rows are shown."""


def main(config: ReportConfig) -> None:
    """Write the page, and print its path."""
    check_tracking()
    uri = tracking_uri()
    client = MlflowClient(uri)
    runs = lineage(client, find_run(client, config.run))
    predictions = read_predictions(config.predictions) if config.predictions else None
    steps = [read_step(client, run) for run in runs]
    page = render(steps, samples=samples_of(runs), predictions=predictions, tracking_uri=uri)
    output = absolute(config.output)
    write_bytes(output, page.encode())
    show(f"Report of {len(runs)} run(s): {output}")


def samples_of(runs: list[Run]) -> list[ShownSample]:
    """Return samples of the data that the runs were trained on, as far as it is still there."""
    shown = []
    for folder in prepared_folders(runs):
        try:
            shown += example_samples(folder)
        except InputError as error:
            logger.warning("the report shows no samples of %s: %s", folder, error)
    return shown


if __name__ == "__main__":
    sys.exit(run_job(ReportConfig, main, description=__doc__))
