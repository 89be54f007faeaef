"""The MLflow runs that a run builds on: of its prepared data, of the model that it starts from or evaluates."""

import json
import posixpath
from collections.abc import Iterator, Sequence

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from clism_core.evaluation.tracking import MODEL_TAG
from clism_core.tracking.data_sets import FINGERPRINTS_TAG
from clism_core.tracking.lifecycle import JOB_TAG, OUTPUT_TAG
from clism_core.utils.errors import InputError
from clism_core.utils.storage import absolute


def find_run(client: MlflowClient, name: str) -> Run:
    """Return the run with this id, or the latest one of the job with this output folder.

    Raises:
        InputError: if there is none.
    """
    try:
        return client.get_run(name)
    except MlflowException:
        found = _search(client, OUTPUT_TAG, absolute(name))
    if not found:
        raise InputError(
            f"--run {name}: MLflow has no run with this id, nor one of a job with this output folder; give the id that "
            "MLflow shows, or the --output of a job"
        )
    return found[0]


def lineage(client: MlflowClient, run: Run) -> list[Run]:
    """Return the run and those it builds on, each after its own sources.

    A source without a run in this tracking store, such as a model of the hub, is left out.
    """
    found: dict[str, Run] = {}

    def visit(each: Run) -> None:
        if each.info.run_id in found:
            return
        for source in _sources(client, each):
            visit(source)
        found[each.info.run_id] = each

    visit(run)
    return list(found.values())


def prepared_folders(runs: Sequence[Run]) -> list[str]:
    """Return the folders of the prepared data that runs were trained on."""
    sources = [
        json.loads(data_set.dataset.source)["uri"]
        for run in runs
        if run.data.tags.get(JOB_TAG) == "pretrain" and run.inputs
        for data_set in run.inputs.dataset_inputs
    ]
    return list(dict.fromkeys(sources))


def _sources(client: MlflowClient, run: Run) -> Iterator[Run]:
    tags, params = run.data.tags, run.data.params
    job = tags.get(JOB_TAG)
    if job != "prepare":
        for fingerprint in filter(None, tags.get(FINGERPRINTS_TAG, "").split(",")):
            prepared = _search(client, FINGERPRINTS_TAG, fingerprint)
            yield from [each for each in prepared if each.data.tags.get(JOB_TAG) == "prepare"][:1]
    model = tags.get(MODEL_TAG) or params.get("model")
    if model and (trained := _training_of(client, model)):
        yield trained


def _training_of(client: MlflowClient, model: str) -> Run | None:
    """Return the run that a model comes from; None if there is none in this store."""
    try:
        if (run_id := _run_id(client, model)) is not None:
            return client.get_run(run_id)
    except MlflowException:  # deleted, or of another store
        return None
    found = _search(client, OUTPUT_TAG, posixpath.dirname(absolute(model)))
    return found[0] if found else None


def _run_id(client: MlflowClient, model: str) -> str | None:
    """Return the id of the run that a model of the registry or of a run comes from; None for other models."""
    if model.startswith("models:/m-"):
        return client.get_logged_model(model.removeprefix("models:/")).source_run_id
    if model.startswith("models:/"):
        name, _, version = model.removeprefix("models:/").partition("/")
        return client.get_model_version(name, version).run_id
    if model.startswith("runs:/"):
        return model.removeprefix("runs:/").partition("/")[0]
    return None


def _search(client: MlflowClient, tag: str, value: str) -> Sequence[Run]:
    """Return the runs with a tag, the latest first."""
    quote = '"' if "'" in value else "'"  # MLflow's filters have no escapes
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found: Sequence[Run] = client.search_runs(
        experiments, f"tags.`{tag}` = {quote}{value}{quote}", order_by=["attributes.start_time DESC"]
    )
    return found
