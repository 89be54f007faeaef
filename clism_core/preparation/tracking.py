"""MLflow tracking of `prepare`."""

from collections.abc import Mapping

from clism_core.preparation.manifest import MANIFEST, Manifest
from clism_core.preparation.report.page import REPORT
from clism_core.tracking.run import TrackedRun
from clism_core.utils import storage


def log_prepared(run: TrackedRun, manifest: Manifest, *, output: str, seconds: float) -> None:
    """Log the manifest, the report if there is one, the data set with its fingerprint, and the counts as metrics.

    Args:
        run: The MLflow run of the preparation.
        manifest: Manifest of the prepared data.
        output: Folder of the prepared data.
        seconds: Duration of the preparation.
    """
    run.client.log_dict(run.run_id, dict(manifest), MANIFEST)
    report = storage.join(output, REPORT)
    if storage.exists(report):
        run.client.log_text(run.run_id, storage.read_bytes(report).decode(), REPORT)
    counts = {
        pair: {name: value for name, value in counted.items() if name != "statistics"}
        for pair, counted in manifest["pairs"].items()
    }
    run.log_dataset(folder=output, fingerprint=manifest["fingerprint"], profile=counts, context="preparation")
    run.log_metrics(prepared_metrics(manifest, seconds=seconds), step=0)


def prepared_metrics(manifest: Manifest, *, seconds: float) -> dict[str, float]:
    """Return the counts of a manifest as metrics, such as `prepare/en-vi/rejects/no_span`, and the throughput.

    `prepare/pairs_per_second` counts the samples and rejects; rows beyond a cap are not read and not counted.
    """
    metrics: dict[str, float] = {
        "prepare/samples": manifest["samples"],
        "prepare/rejects": manifest["rejects"],
        "prepare/pairs_per_second": (manifest["samples"] + manifest["rejects"]) / seconds,
    }
    for pair, counts in manifest["pairs"].items():
        rejects: Mapping[str, int] = counts["rejects"]
        metrics |= {
            f"prepare/{pair}/rows": counts["rows"],
            f"prepare/{pair}/samples": counts["samples"],
            f"prepare/{pair}/spans": counts["spans"],
            f"prepare/{pair}/beyond_cap": counts["beyond_cap"],
        }
        metrics |= {f"prepare/{pair}/rejects/{reason}": rows for reason, rows in rejects.items()}
    return metrics
