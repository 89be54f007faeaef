import json
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow_server import Server

from clism_core.tracking.data_sets import LoggedDataSet
from clism_core.tracking.lifecycle import start_run, tracked_run
from clism_core.tracking.run import TrackedRun, flatten, ui_command


def params(run: TrackedRun) -> dict[str, str]:
    return dict(run.client.get_run(run.run_id).data.params)


def artifact(run: TrackedRun, name: str, folder: Path) -> str:
    return Path(run.client.download_artifacts(run.run_id, name, str(folder))).read_text(encoding="utf-8")


def history(run: TrackedRun, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in run.client.get_metric_history(run.run_id, metric)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param({"a": 1, "b": {"c": {"d": "x"}}}, {"a": 1, "b.c.d": "x"}, id="nested"),
        pytest.param({"a": {"b": [{"c": 1}]}}, {"a.b": [{"c": 1}]}, id="lists-stay"),
        pytest.param({"a": {}}, {"a": {}}, id="empty"),
    ],
)
def test_flatten(config: dict[str, Any], expected: dict[str, Any]) -> None:
    assert flatten(config) == expected


def test_files_are_stored_in_the_home_folder(run: TrackedRun, home_folder: Path) -> None:
    run.log_environment()
    found = {path.relative_to(home_folder).parts[0] for path in home_folder.rglob("*") if path.is_file()}
    assert found == {"mlflow.db", "artifacts"}


def test_characters_that_mlflow_does_not_allow_are_replaced(run: TrackedRun, tmp_path: Path) -> None:
    config = {"ours": {"Ours (XLM-R)": "XLM-R", "R&D": "mBERT"}}
    run.log_config(config)
    run.log_config(config)  # as a run that goes on does
    assert params(run) == {"ours.Ours _XLM-R_": "XLM-R", "ours.R_D": "mBERT"}
    assert yaml.safe_load(artifact(run, "config.yaml", tmp_path)) == config


def test_config_becomes_parameters_and_a_file(run: TrackedRun, tmp_path: Path) -> None:
    config = {"model": "xlm-roberta-base", "optimizer": {"lr": 1e-4, "fused": None}, "corpora": [{"lang": "العربية"}]}
    run.log_config(config)
    assert params(run) == {
        "model": "xlm-roberta-base",
        "optimizer.lr": "0.0001",
        "optimizer.fused": "null",
        "corpora": '[{"lang": "العربية"}]',
    }
    text = artifact(run, "config.yaml", tmp_path)
    assert yaml.safe_load(text) == config
    assert "العربية" in text


def test_long_values_are_truncated_only_in_parameters(run: TrackedRun, tmp_path: Path) -> None:
    run.log_config({"files": "x" * 10_000})
    assert params(run) == {"files": "x" * 6000}
    assert yaml.safe_load(artifact(run, "config.yaml", tmp_path)) == {"files": "x" * 10_000}


def test_changed_parameters_of_a_resumed_run_cause_a_warning(
    run: TrackedRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run.log_config({"steps": 6, "files": "x" * 10_000})
    run.log_config({"steps": 64, "files": "x" * 10_000, "seed": 1})
    assert params(run) == {"steps": "6", "files": "x" * 6000, "seed": "1"}
    assert yaml.safe_load(artifact(run, "config.yaml", tmp_path))["steps"] == 64
    assert [record.getMessage() for record in caplog.records if record.name == "clism_core.tracking.run"] == [
        "MLflow keeps the first values of changed parameters: steps"
    ]


def test_metrics_arrive_in_order_after_flush(run: TrackedRun) -> None:
    for step in range(5):
        run.log_metrics({"train/loss": step / 2, "eval/en-vi/span_exact_match": 0.0}, step=step)
    run.flush()
    assert history(run, "train/loss") == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]
    assert len(history(run, "eval/en-vi/span_exact_match")) == 5


def test_a_pickled_run_logs_to_the_same_run(run: TrackedRun) -> None:
    copy: TrackedRun = pickle.loads(pickle.dumps(run))
    copy.log_metrics({"train/loss": 3.0}, step=1)
    copy.flush()
    assert history(run, "train/loss") == [(1, 3.0)]


def test_dataset_shows_fingerprint_and_counts(run: TrackedRun) -> None:
    run.log_dataset(folder="s3://bucket/data", fingerprint="ab" * 32, profile={"en-vi": {"samples": 3}})
    logged = run.client.get_run(run.run_id)
    assert logged.inputs is not None
    (dataset,) = (entry.dataset for entry in logged.inputs.dataset_inputs)
    assert (dataset.name, dataset.digest, dataset.source_type) == ("data", "ab" * 18, "s3")
    assert json.loads(dataset.source) == {"uri": "s3://bucket/data"}
    assert json.loads(dataset.profile or "") == {"en-vi": {"samples": 3}}
    assert logged.data.tags["clism.data_fingerprint"] == "ab" * 32


def test_each_data_set_of_a_mixture_is_logged_with_its_weight(run: TrackedRun) -> None:
    """And the folders may have one name."""
    run.log_datasets(
        [
            LoggedDataSet(folder="/a/data", fingerprint="ab" * 32, profile={}, weight=2.0),
            LoggedDataSet(folder="s3://b/data", fingerprint="cd" * 32, profile={}, weight=0.5),
        ]
    )
    logged = run.client.get_run(run.run_id)
    assert logged.inputs is not None
    inputs = {
        json.loads(entry.dataset.source)["uri"]: {tag.key: tag.value for tag in entry.tags}
        for entry in logged.inputs.dataset_inputs
    }
    assert inputs == {
        "/a/data": {"mlflow.data.context": "training", "clism.weight": "2"},
        "s3://b/data": {"mlflow.data.context": "training", "clism.weight": "0.5"},
    }
    assert logged.data.tags["clism.data_fingerprint"] == f"{'ab' * 32},{'cd' * 32}"


def test_system_metrics_outlive_an_outage(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    run = start_run(job="pretrain", output=str(tmp_path))
    with run.system_metrics(node="node-1"):
        server.stop()
        time.sleep(0.5)
        server.start()
        time.sleep(0.2)
    run.flush()
    steps = [step for step, _ in history(run, "system/node-1/cpu_utilization_percentage")]
    assert len(steps) >= 5
    assert sorted(set(steps)) == steps


def test_system_metrics_are_logged(home_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    with tracked_run(job="pretrain", output="/outputs/x", config={}) as run:
        for _ in range(100):
            run.flush()
            if any(name.startswith("system/") for name in run.client.get_run(run.run_id).data.metrics):
                break
    assert "system/cpu_utilization_percentage" in run.client.get_run(run.run_id).data.metrics


def test_ui_of_a_server_is_its_address() -> None:
    assert ui_command("http://mlflow:5000") == "http://mlflow:5000"


def test_ui_of_a_file_listens_on_this_machine_only() -> None:
    assert ui_command("sqlite:////x/mlflow.db").endswith(
        "mlflow ui --backend-store-uri sqlite:////x/mlflow.db --host 127.0.0.1"
    )


def test_concurrent_runs_log_the_same_data_set(home_folder: Path) -> None:
    names = [f"run-{number}" for number in range(8)]
    runs = [start_run(job="pretrain", output=f"/runs/{name}") for name in names]
    ready = threading.Barrier(len(runs))

    def log(run: TrackedRun) -> None:
        ready.wait()
        run.log_dataset(folder="data", fingerprint="cd" * 32, profile={})

    with ThreadPoolExecutor(len(runs)) as pool:
        list(pool.map(log, runs))
    for run in runs:
        inputs = run.client.get_run(run.run_id).inputs
        assert inputs is not None
        (logged,) = inputs.dataset_inputs
        assert logged.dataset.name == "data"
