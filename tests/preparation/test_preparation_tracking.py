import copy
import json
from pathlib import Path

from clism_core.preparation.manifest import Manifest
from clism_core.preparation.statistics import merge_statistics
from clism_core.preparation.tracking import log_lost_preparation, log_prepared, prepared_metrics
from clism_core.tracking.lifecycle import start_run, unfinished_run

MANIFEST = Manifest(
    samples=6,
    rejects=4,
    pairs={
        "en-vi": {"rows": 7, "samples": 4, "spans": 9, "rejects": {"no_span": 2, "duplicate": 1}, "beyond_cap": 0},
        "en-ar": {
            "rows": 3,
            "samples": 2,
            "spans": 2,
            "rejects": {"no_answer": 1},
            "beyond_cap": 5,
            "partial_answers": 4,
        },
    },
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
    "prepare/en-vi/partial_answers": 0,
    "prepare/en-vi/rejects/no_span": 2,
    "prepare/en-vi/rejects/duplicate": 1,
    "prepare/en-ar/rows": 3,
    "prepare/en-ar/samples": 2,
    "prepare/en-ar/spans": 2,
    "prepare/en-ar/beyond_cap": 5,
    "prepare/en-ar/partial_answers": 4,
    "prepare/en-ar/rejects/no_answer": 1,
}


def test_metrics_equal_the_counts_of_the_manifest() -> None:
    assert prepared_metrics(MANIFEST, seconds=4.0) == METRICS


def test_manifest_report_lineage_and_metrics_are_logged(home_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "prepared"
    output.mkdir()
    (output / "report.html").write_text("<p>هنري</p>", "utf-8")
    run = start_run(job="prepare", output=str(output))
    with_statistics = copy.deepcopy(MANIFEST)
    with_statistics["pairs"]["en-ar"]["statistics"] = merge_statistics([])["statistics"]
    log_prepared(run, with_statistics, output=str(output), seconds=4.0)
    run.flush()
    logged = run.client.get_run(run.run_id)
    assert logged.data.metrics == METRICS
    assert logged.data.tags["clism.data_fingerprint"] == "ab" * 32
    assert logged.inputs is not None
    (dataset,) = [entry.dataset for entry in logged.inputs.dataset_inputs]
    assert dataset.name == "prepared"
    assert json.loads(dataset.profile or "") == MANIFEST["pairs"]  # the counts: MLflow shows it in one line
    report = Path(run.client.download_artifacts(run.run_id, "report.html", str(tmp_path)))
    assert report.read_text("utf-8") == "<p>هنري</p>"
    file = Path(run.client.download_artifacts(run.run_id, "manifest.json", str(tmp_path)))
    assert '"duplicate": 1' in file.read_text()


def test_a_preparation_lost_before_its_end_is_logged_by_the_next_start(home_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "prepared"
    output.mkdir()
    run = start_run(job="prepare", output=str(output))
    log_lost_preparation(MANIFEST, output=str(output))
    logged = run.client.get_run(run.run_id)
    assert logged.info.status == "FINISHED"
    assert logged.data.metrics == {name: value for name, value in METRICS.items() if name != "prepare/pairs_per_second"}
    log_lost_preparation(MANIFEST, output=str(output))  # of an output without an unfinished run: nothing to do
    assert unfinished_run(str(output)) is None
