"""MLflow tracking of `prepare`."""

import logging
from collections.abc import Mapping

from clism_core.preparation.manifest import MANIFEST, Manifest
from clism_core.preparation.report.page import REPORT
from clism_core.tracking.lifecycle import unfinished_run
from clism_core.tracking.run import TrackedRun
from clism_core.tracking.server import server_problem
from clism_core.utils import storage
from clism_core.utils.home import tracking_uri

logger = logging.getLogger(__name__)


def log_prepared(run: TrackedRun, manifest: Manifest, *, output: str, seconds: float | None) -> None:
    """Log the manifest, the report if there is one, the data set with its fingerprint, and the counts as metrics.

    Args:
        run: The MLflow run of the preparation.
        manifest: Manifest of the prepared data.
        output: Folder of the prepared data.
        seconds: Duration of the preparation; None if it is unknown.
    """
    run.flush()  # waits for the server, for a limited time
    run.client.log_dict(run.run_id, dict(manifest), MANIFEST)
    report = storage.join(output, REPORT)
    if storage.exists(report):
        run.client.log_text(run.run_id, storage.read_bytes(report).decode(), REPORT)
    counts = {
        pair: {name: value for name, value in counted.items() if name != "statistics"}
        for pair, counted in manifest["pairs"].items()
    }
    run.log_dataset(folder=output, fingerprint=manifest["fingerprint"], profile=counts, context="preparation")
    run.log_summary(prepared_metrics(manifest, seconds=seconds))


def log_lost_preparation(manifest: Manifest, *, output: str) -> None:
    """Log the finished preparation in `output` and end its MLflow run, if its process was lost before it did so."""
    uri = tracking_uri()
    if problem := server_problem(uri):
        logger.warning("%s; whether it has the run of %s is unknown", problem, output)
        return
    run = unfinished_run(output)
    if run is not None:
        log_prepared(run, manifest, output=output, seconds=None)
        run.finish()


def prepared_metrics(manifest: Manifest, *, seconds: float | None) -> dict[str, float]:
    """Return the counts of a manifest as metrics, such as `prepare/en-vi/rejects/no_span`, and the throughput.

    `prepare/pairs_per_second` counts the samples and rejects; rows beyond a cap are not read and not counted.
    """
    metrics: dict[str, float] = {
        "prepare/samples": manifest["samples"],
        "prepare/rejects": manifest["rejects"],
    }
    if seconds is not None:
        metrics["prepare/pairs_per_second"] = (manifest["samples"] + manifest["rejects"]) / seconds
    for pair, counts in manifest["pairs"].items():
        rejects: Mapping[str, int] = counts["rejects"]
        metrics |= {
            f"prepare/{pair}/rows": counts["rows"],
            f"prepare/{pair}/samples": counts["samples"],
            f"prepare/{pair}/spans": counts["spans"],
            f"prepare/{pair}/beyond_cap": counts["beyond_cap"],
            f"prepare/{pair}/partial_answers": counts.get("partial_answers", 0),
        }
        metrics |= {f"prepare/{pair}/rejects/{reason}": rows for reason, rows in rejects.items()}
    return metrics
