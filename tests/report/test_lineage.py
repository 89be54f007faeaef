"""The runs that a run builds on, found in MLflow."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from clism_core.evaluation.tracking import MODEL_TAG
from clism_core.report.lineage import find_run, lineage, prepared_folders
from clism_core.tracking.lifecycle import start_run
from clism_core.tracking.run import TrackedRun
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri


@pytest.fixture
def client(home_folder: Path) -> MlflowClient:
    return MlflowClient(tracking_uri())


def finished(job: str, **config: str) -> TrackedRun:
    run = start_run(job=job, output=f"/outputs/{job}")
    run.log_config(config)
    run.finish()
    return run


def names(client: MlflowClient, run: TrackedRun) -> list[str]:
    return [each.data.tags["clism.job"] for each in lineage(client, stored(client, run))]


def stored(client: MlflowClient, run: TrackedRun) -> Run:
    return client.get_run(run.run_id)


def register(client: MlflowClient, name: str, run: TrackedRun) -> None:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    client.create_model_version(name, source=f"runs:/{run.run_id}/model", run_id=run.run_id)


def test_from_the_evaluation_back_to_the_prepared_data(client: MlflowClient) -> None:
    prepared = finished("prepare")
    prepared.log_dataset(folder="/prepared", fingerprint="ab" * 32, profile={}, context="preparation")
    pretrained = finished("pretrain", model="xlm-roberta-base")
    pretrained.log_dataset(folder="/prepared", fingerprint="ab" * 32, profile={})
    register(client, "clism-encoder", pretrained)
    finetuned = finished("finetune", model="models:/clism-encoder/1")
    register(client, "clism-mrc", finetuned)
    evaluated = finished("evaluate")
    evaluated.set_tags({MODEL_TAG: "models:/clism-mrc/1"})

    assert names(client, evaluated) == ["prepare", "pretrain", "finetune", "evaluate"]
    assert names(client, finetuned) == ["prepare", "pretrain", "finetune"]
    assert names(client, prepared) == ["prepare"]
    assert prepared_folders(lineage(client, stored(client, evaluated))) == ["/prepared"]


@pytest.mark.parametrize("model", ["/outputs/pretrain/model", "runs:/RUN/model"])
def test_a_model_is_traced_by_its_folder_and_its_run(client: MlflowClient, model: str) -> None:
    pretrained = finished("pretrain", model="xlm-roberta-base")
    finetuned = finished("finetune", model=model.replace("RUN", pretrained.run_id))
    assert names(client, finetuned) == ["pretrain", "finetune"]


def test_a_model_logged_without_a_version_is_traced_by_its_id(client: MlflowClient) -> None:
    pretrained = finished("pretrain", model="xlm-roberta-base")
    experiment = stored(client, pretrained).info.experiment_id
    logged = client.create_logged_model(experiment, name="encoder", source_run_id=pretrained.run_id)
    finetuned = finished("finetune", model=f"models:/{logged.model_id}")
    assert names(client, finetuned) == ["pretrain", "finetune"]


@pytest.mark.parametrize("model", ["models:/elsewhere/3", "runs:/0123/model", "xlm-roberta-base", "/models/own"])
def test_a_model_without_a_run_in_the_store_is_a_start(client: MlflowClient, model: str) -> None:
    assert names(client, finished("finetune", model=model)) == ["finetune"]


def test_the_latest_run_of_an_output_folder_is_found(client: MlflowClient, tmp_path: Path) -> None:
    start_run(job="finetune", output=str(tmp_path)).finish()
    latest = start_run(job="finetune", output=str(tmp_path))
    latest.finish()
    assert find_run(client, str(tmp_path)).info.run_id == latest.run_id
    assert find_run(client, latest.run_id).info.run_id == latest.run_id
    with pytest.raises(InputError, match="MLflow has no run with this id"):
        find_run(client, str(tmp_path / "none"))
