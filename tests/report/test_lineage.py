"""The runs that a run builds on, found in MLflow."""

import time
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


def finished(job: str, *, output: str = "", **config: str) -> TrackedRun:
    run = start_run(job=job, output=output or f"/outputs/{job}")
    run.log_config(config)
    run.finish()
    return run


def names(client: MlflowClient, run: TrackedRun) -> list[str]:
    return [each.data.tags["clism.job"] for each in lineage(client, stored(client, run))]


def run_ids(client: MlflowClient, run: TrackedRun) -> list[str]:
    return [each.info.run_id for each in lineage(client, stored(client, run))]


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
    time.sleep(0.002)
    finetuned = finished("finetune", model=model.replace("RUN", pretrained.run_id))
    assert names(client, finetuned) == ["pretrain", "finetune"]


def test_a_model_logged_without_a_version_is_traced_by_its_id(client: MlflowClient) -> None:
    pretrained = finished("pretrain", model="xlm-roberta-base")
    experiment = stored(client, pretrained).info.experiment_id
    logged = client.create_logged_model(experiment, name="encoder", source_run_id=pretrained.run_id)
    finetuned = finished("finetune", model=f"models:/{logged.model_id}")
    assert names(client, finetuned) == ["pretrain", "finetune"]


def test_a_registered_model_without_a_run_is_a_start(client: MlflowClient) -> None:
    client.create_registered_model("m-own")  # the name is no id of a logged model
    client.create_model_version("m-own", source="/models/own")
    assert names(client, finished("finetune", model="models:/m-own/1")) == ["finetune"]


def test_a_model_comes_from_the_training_that_was_in_its_folder_before(client: MlflowClient) -> None:
    first = finished("pretrain", output="/runs/a", model="xlm-roberta-base")
    finished("evaluate", output="/runs/a")
    time.sleep(0.002)  # MLflow's times are in milliseconds
    tuned = finished("finetune", output="/runs/b", model="/runs/a/model")
    time.sleep(0.002)
    again = finished("pretrain", output="/runs/a", model="/runs/b/model")
    assert run_ids(client, tuned) == [first.run_id, tuned.run_id]
    assert run_ids(client, again) == [first.run_id, tuned.run_id, again.run_id]


@pytest.mark.parametrize(
    ("output", "model"),
    [("/runs", "/runs/encoder"), (str(Path.cwd()), "xlm-roberta-base"), ("/runs/x", "/runs/x/model")],
)
def test_a_run_is_not_its_own_source(client: MlflowClient, output: str, model: str) -> None:
    assert names(client, finished("finetune", output=output, model=model)) == ["finetune"]


def test_an_output_with_quotes_of_both_kinds_is_refused(client: MlflowClient) -> None:
    assert names(client, finished("finetune", output="/it's", model="/a 'quoted' one/model")) == ["finetune"]
    with pytest.raises(InputError, match="MLflow cannot search"):
        find_run(client, '/it\'s "so"')


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
