"""The MLflow runs that a run builds on: of its prepared data, of the model that it starts from or evaluates."""

import json
import posixpath
from collections.abc import Iterator, Sequence

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from clism_core.evaluation.tracking import MODEL_TAG
from clism_core.model.resolve import is_tracked, tracked_run_id
from clism_core.tracking.data_sets import FINGERPRINTS_TAG
from clism_core.tracking.lifecycle import JOB_TAG, OUTPUT_TAG, tag_filter
from clism_core.utils.errors import InputError
from clism_core.utils.storage import absolute

TRAININGS = ("pretrain", "finetune")
"""Jobs that write a model into their output folder."""


def find_run(client: MlflowClient, name: str) -> Run:
    """Return the run with this id, or the latest one of the job with this output folder.

    Raises:
        InputError: if there is none.
    """
    try:
        return client.get_run(name)
    except MlflowException:
        found = _search(client, tag_filter(OUTPUT_TAG, absolute(name)))
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
    seen: set[str] = set()
    ordered: list[Run] = []

    def visit(each: Run) -> None:
        if each.info.run_id not in seen:
            seen.add(each.info.run_id)
            for source in _sources(client, each):
                visit(source)
            ordered.append(each)

    visit(run)
    return ordered


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
    if tags.get(JOB_TAG) != "prepare":
        for fingerprint in filter(None, tags.get(FINGERPRINTS_TAG, "").split(",")):
            prepared = tag_filter(JOB_TAG, "prepare")
            yield from _search(client, f"{tag_filter(FINGERPRINTS_TAG, fingerprint)} AND {prepared}")[:1]
    model = tags.get(MODEL_TAG) or params.get("model")
    if model and (trained := _training_of(client, model, run)):
        yield trained


def _training_of(client: MlflowClient, model: str, child: Run) -> Run | None:
    """Return the run that the model of a later run comes from; None if there is none in this store."""
    if is_tracked(model):
        try:
            run_id = tracked_run_id(client, model)
            return None if run_id is None else client.get_run(run_id)
        except MlflowException:  # deleted, or of another store
            return None
    if not model.startswith(("/", "s3://")):  # a hub id: jobs store folders as absolute paths
        return None
    earlier = f"{tag_filter(OUTPUT_TAG, posixpath.dirname(model))} AND attributes.start_time < {child.info.start_time}"
    found = _search(client, earlier)
    return next((each for each in found if each.data.tags.get(JOB_TAG) in TRAININGS), None)


def _search(client: MlflowClient, condition: str) -> Sequence[Run]:
    """Return the runs that meet a condition, the latest first."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found: Sequence[Run] = client.search_runs(experiments, condition, order_by=["attributes.start_time DESC"])
    return found
