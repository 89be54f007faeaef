from pathlib import Path

from clism_core.data.manifest import Manifest
from clism_core.tracking.prepared import log_prepared, prepared_metrics
from clism_core.tracking.run import start_run

MANIFEST = Manifest(
    samples=6,
    rejects=4,
    pairs={
        "en-vi": {"rows": 7, "samples": 4, "spans": 9, "rejects": {"no_span": 2, "duplicate": 1}, "beyond_cap": 0},
        "en-ar": {"rows": 3, "samples": 2, "spans": 2, "rejects": {"no_answer": 1}, "beyond_cap": 5},
    },
    work={"read": 10},
    config={},
    versions={},
    fingerprint="ab" * 32,
    content="cd" * 32,
)
METRICS = {
    "prepare/samples": 6,
    "prepare/rejects": 4,
    "prepare/pairs_per_second": 2.5,
    "prepare/en-vi/rows": 7,
    "prepare/en-vi/samples": 4,
    "prepare/en-vi/spans": 9,
    "prepare/en-vi/beyond_cap": 0,
    "prepare/en-vi/rejects/no_span": 2,
    "prepare/en-vi/rejects/duplicate": 1,
    "prepare/en-ar/rows": 3,
    "prepare/en-ar/samples": 2,
    "prepare/en-ar/spans": 2,
    "prepare/en-ar/beyond_cap": 5,
    "prepare/en-ar/rejects/no_answer": 1,
}


def test_metrics_are_the_counts() -> None:
    assert prepared_metrics(MANIFEST, seconds=4.0) == METRICS


def test_manifest_lineage_and_metrics_are_logged(home_folder: Path, tmp_path: Path) -> None:
    run = start_run(job="prepare", output="/outputs/prepared")
    log_prepared(run, MANIFEST, output="/outputs/prepared", seconds=4.0)
    run.flush()
    logged = run.client.get_run(run.run_id)
    assert logged.data.metrics == METRICS
    assert logged.data.tags["clism.data_fingerprint"] == "ab" * 32
    assert logged.inputs is not None
    assert [entry.dataset.name for entry in logged.inputs.dataset_inputs] == ["prepared"]
    file = Path(run.client.download_artifacts(run.run_id, "manifest.json", str(tmp_path)))
    assert '"duplicate": 1' in file.read_text()
