"""An MLflow run, referenced by its id instead of MLflow's global state."""

import importlib.metadata
import json
import logging
import platform
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import mlflow
import yaml
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

from clism_core.utils.home import SQLITE, home, tracking_uri

logger = logging.getLogger(__name__)

EXPERIMENT = "clism"
OUTPUT_TAG = "clism.output"
MAX_DIGEST_LENGTH = 36  # MLflow's limit for the digest of a data set
_INVALID_IN_NAMES = re.compile(r"[^\w.\- :]")


@dataclass(frozen=True)
class LoggedDataSet:
    """Prepared data set, as MLflow shows it."""

    folder: str
    fingerprint: str
    """Fingerprint in its manifest."""
    profile: Mapping[str, Any]
    """Summary shown by MLflow, such as the counts per language pair."""
    weight: float | None = None
    """Weight in a mixture; None for a single data set."""
    context: str = "training"
    """Use of the data set in the run."""


@dataclass(frozen=True)
class TrackedRun:
    """MLflow run; picklable, so that a driver can pass it to its workers.

    Worker processes must call `flush` after they have logged, because Ray ends them without Python's exit handlers.
    """

    tracking_uri: str
    """Absolute URI of the tracking store."""

    run_id: str
    """Id assigned by MLflow."""

    @property
    def client(self) -> MlflowClient:
        """Client of this process for the run's tracking store."""
        return _client(self.tracking_uri)

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Log a resolved config, nested dictionaries, as parameters such as `model.hidden_size` and as `config.yaml`.

        Characters that MLflow does not allow in names, such as brackets, are replaced by `_` in the parameters' names.
        Parameters cannot change: a resumed run keeps its first values, with a warning; `config.yaml` is the latest.
        """
        values = {valid_name(name): _as_text(value) for name, value in flatten(config).items()}
        logged = self.client.get_run(self.run_id).data.params
        changed = sorted(
            name for name in values if name in logged and values[name][:MAX_PARAM_VAL_LENGTH] != logged[name]
        )
        if changed:
            logger.warning("MLflow keeps the first values of changed parameters: %s", ", ".join(changed))
        params = [Param(name, value) for name, value in values.items() if name not in logged]
        self.client.log_batch(self.run_id, params=params)
        self.client.log_text(
            self.run_id, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), "config.yaml"
        )

    def log_environment(self) -> None:
        """Log `environment.json`: Python, platform, package versions, GPUs and, if Ray is connected, the cluster."""
        self.client.log_dict(self.run_id, environment(), "environment.json")

    def log_dataset(
        self, *, folder: str, fingerprint: str, profile: Mapping[str, Any], context: str = "training"
    ) -> None:
        """Log the data set that the run uses.

        Args:
            folder: Folder of the prepared data.
            fingerprint: Fingerprint in its manifest, also stored untruncated as the tag `clism.data_fingerprint`.
            profile: Summary shown by MLflow, such as the counts per language pair.
            context: Use of the data set in the run.
        """
        self.log_datasets([LoggedDataSet(folder=folder, fingerprint=fingerprint, profile=profile, context=context)])

    def log_datasets(self, data_sets: Sequence[LoggedDataSet]) -> None:
        """Log all data sets that the run uses, each with its weight as the tag `clism.weight`.

        The run's tag `clism.data_fingerprint` contains their untruncated fingerprints, separated by commas.
        """
        inputs = [_dataset_input(data_set) for data_set in data_sets]
        try:
            self.client.log_inputs(self.run_id, datasets=inputs)
        except MlflowException:  # a concurrent run has just logged the same data set, so that it exists now
            self.client.log_inputs(self.run_id, datasets=inputs)
        fingerprints = ",".join(data_set.fingerprint for data_set in data_sets)
        self.client.set_tag(self.run_id, "clism.data_fingerprint", fingerprints)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Queue the metrics of a step and return immediately; failures of the tracking store are only logged."""
        now = int(time.time() * 1000)
        entities = [Metric(name, float(value), now, step) for name, value in metrics.items()]
        try:
            self.client.log_batch(self.run_id, metrics=entities, synchronous=False)
        except Exception:  # stores of different kinds raise different errors when they are opened
            logger.warning("the metrics of step %d were not logged", step, exc_info=True)

    def flush(self) -> None:
        """Wait until the queued metrics of this process are written, or have failed, which MLflow logs."""
        mlflow.set_tracking_uri(self.tracking_uri)
        mlflow.flush_async_logging()

    def log_figure(self, figure: Figure, path: str) -> None:
        """Log a figure as the artefact `path`, such as `plots/loss.png`."""
        self.client.log_figure(self.run_id, figure, path)

    def log_artifact(self, file: Path) -> None:
        """Log a file as an artefact."""
        self.client.log_artifact(self.run_id, str(file))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        for name, value in tags.items():
            self.client.set_tag(self.run_id, name, value)

    def status(self) -> str:
        """Return `RUNNING`, `FINISHED`, `FAILED` or `KILLED`."""
        return str(self.client.get_run(self.run_id).info.status)

    def finish(self, status: str = "FINISHED") -> None:
        """Write queued metrics and end the run. With any status except `FINISHED`, `start_run` resumes it."""
        self.flush()
        self.client.set_terminated(self.run_id, status)

    def reopen(self) -> None:
        """Reopen the finished run, so that a job with the same output resumes it."""
        self.client.update_run(self.run_id, status="RUNNING")


def start_run(*, job: str, output: str, name: str | None = None, tags: Mapping[str, str] | None = None) -> TrackedRun:
    """Start the run of a job in the experiment `clism` of the current tracking store.

    A job that is started again with the same output resumes its MLflow run, unless that run is finished.

    Args:
        job: Name of the job, such as `pretrain`.
        output: Absolute path of the job's output folder, by which its run is found.
        name: Name of the run; None: the name of the output folder.
        tags: Additional tags.
    """
    run_tags = {"clism.job": job, OUTPUT_TAG: output, **(tags or {})}
    uri = tracking_uri()
    client = _client(uri)
    experiment_id = _experiment_id(client, uri)
    run = unfinished_run(output)
    if run is not None:
        run.reopen()
        run.set_tags(run_tags)
        logger.info("resuming MLflow run %s", run.run_id)
        return run
    created = client.create_run(experiment_id, tags=resolve_tags(run_tags), run_name=name or Path(output).name)
    return TrackedRun(uri, created.info.run_id)


def unfinished_run(output: str) -> TrackedRun | None:
    """Return the run of the job with this absolute output folder; None if there is none, or it is finished."""
    uri = tracking_uri()
    client = _client(uri)
    quote = '"' if "'" in output else "'"  # MLflow's filters have no escapes
    unfinished = client.search_runs(
        [_experiment_id(client, uri)],
        f"tags.`{OUTPUT_TAG}` = {quote}{output}{quote} AND attributes.status != 'FINISHED'",
        max_results=1,
    )
    return TrackedRun(uri, unfinished[0].info.run_id) if unfinished else None


def end_lost_run(output: str, status: str) -> None:
    """End the run of the job with this absolute output folder, if its process was lost before it ended the run."""
    try:
        run = unfinished_run(output)
        if run is not None and run.status() == "RUNNING":
            run.finish(status)
    except MlflowException:
        logger.warning("the MLflow run of %s could not be ended", output, exc_info=True)


@contextmanager
def tracked_run(
    *, job: str, output: str, config: Mapping[str, Any], name: str | None = None, tags: Mapping[str, str] | None = None
) -> Iterator[TrackedRun]:
    """Start a run like `start_run`, log its config, environment and system metrics, and end it after the block.

    Its status becomes `FINISHED`, `FAILED` after an exception, or `KILLED` after Ctrl-C, unless the block has ended it.
    """
    run = start_run(job=job, output=output, name=name, tags=tags)
    monitor = SystemMetricsMonitor(run.run_id, resume_logging=True, tracking_uri=run.tracking_uri)
    monitor.start()
    status = "FAILED"
    try:
        run.log_config(config)
        run.log_environment()
        yield run
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        monitor.finish()
        if run.status() == "RUNNING":
            run.finish(status)


def environment() -> dict[str, Any]:
    """Describe the environment: Python, platform, package versions, GPUs and, if Ray is connected, the cluster."""
    import ray
    import torch

    packages = {package.metadata["Name"]: package.version for package in importlib.metadata.distributions()}
    return {
        "python": sys.version,
        "platform": platform.platform(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "cluster": ray.cluster_resources() if ray.is_initialized() else {},
        "packages": dict(sorted(packages.items())),
    }


def valid_name(text: str) -> str:
    """Return `text` with `_` for each character that MLflow does not allow in a component of a name, such as &."""
    return _INVALID_IN_NAMES.sub("_", text)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested dictionaries into one with dotted names; lists remain values."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def ui_command(uri: str) -> str:
    """Return the command that starts MLflow's UI on this machine only; for a tracking server, its address."""
    if uri.startswith("http"):
        return uri
    return f"{Path(sys.executable).with_name('mlflow')} ui --backend-store-uri {uri} --host 127.0.0.1"


def _dataset_input(data_set: LoggedDataSet) -> DatasetInput:
    folder = data_set.folder
    dataset = Dataset(
        name=Path(folder).name,
        digest=data_set.fingerprint[:MAX_DIGEST_LENGTH],
        source_type="local" if "://" not in folder else folder.partition("://")[0],
        source=json.dumps({"uri": folder}),
        profile=json.dumps(data_set.profile),
    )
    tags = [InputTag("mlflow.data.context", data_set.context)]
    if data_set.weight is not None:
        tags.append(InputTag("clism.weight", f"{data_set.weight:g}"))
    return DatasetInput(dataset, tags)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


@lru_cache
def _client(uri: str) -> MlflowClient:
    return MlflowClient(uri)


def _experiment_id(client: MlflowClient, uri: str) -> str:
    """Return the id of the experiment, creating it if necessary.

    Its artefacts are stored beside the database; MLflow would store them in the current folder.
    """
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return str(experiment.experiment_id)
    if uri.startswith("http"):  # a server has its own location for artefacts
        return client.create_experiment(EXPERIMENT)
    folder = Path(uri.removeprefix(SQLITE)).parent if uri.startswith(SQLITE) else home()
    return client.create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").as_uri())
