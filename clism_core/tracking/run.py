"""One MLflow run, passed around by its id instead of MLflow's global state."""

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
_REFUSED_IN_NAMES = re.compile(r"[^\w.\- :]")


@dataclass(frozen=True)
class LoggedDataSet:
    """A prepared data set as MLflow shows it."""

    folder: str
    fingerprint: str
    """Of its manifest."""
    profile: Mapping[str, Any]
    """What MLflow shows of it, such as the counts per language pair."""
    weight: float | None = None
    """In a mixture; None for a data set alone."""
    context: str = "training"
    """What the run does with it."""


@dataclass(frozen=True)
class TrackedRun:
    """An MLflow run: picklable, so that a driver can hand it to its workers.

    What is logged from worker processes must be followed by `flush` there, for Ray ends them without Python's exit
    handlers.
    """

    tracking_uri: str
    """Where the run is tracked; absolute."""

    run_id: str
    """The id that MLflow gave it."""

    @property
    def client(self) -> MlflowClient:
        """The client of this process for the run's tracking store."""
        return _client(self.tracking_uri)

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Log a resolved config, nested dictionaries, as parameters `model.hidden_size` and as `config.yaml`.

        What MLflow does not take in names, such as brackets, is `_` in those of parameters. They cannot change: a
        resumed run keeps the values it began with, and warns; `config.yaml` is the latest.
        """
        given = {valid_name(name): _as_text(value) for name, value in flatten(config).items()}
        known = self.client.get_run(self.run_id).data.params
        changed = sorted(name for name in given if name in known and given[name][:MAX_PARAM_VAL_LENGTH] != known[name])
        if changed:
            logger.warning("MLflow keeps the first values of changed parameters: %s", ", ".join(changed))
        params = [Param(name, value) for name, value in given.items() if name not in known]
        self.client.log_batch(self.run_id, params=params)
        self.client.log_text(
            self.run_id, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), "config.yaml"
        )

    def log_environment(self) -> None:
        """Log `environment.json`: Python, platform, package versions, GPUs and, where Ray is up, the cluster."""
        self.client.log_dict(self.run_id, environment(), "environment.json")

    def log_dataset(
        self, *, folder: str, fingerprint: str, profile: Mapping[str, Any], context: str = "training"
    ) -> None:
        """Log which data the run reads.

        Args:
            folder: The prepared data.
            fingerprint: Of its manifest; kept in full as the tag `clism.data_fingerprint`.
            profile: What MLflow shows of it, such as the counts per language pair.
            context: What the run does with it.
        """
        self.log_datasets([LoggedDataSet(folder=folder, fingerprint=fingerprint, profile=profile, context=context)])

    def log_datasets(self, data_sets: Sequence[LoggedDataSet]) -> None:
        """Log all data sets that the run reads, weights as the tag `clism.weight` of each.

        Their fingerprints are kept in full, with commas between, as the tag `clism.data_fingerprint` of the run.
        """
        inputs = [_dataset_input(data_set) for data_set in data_sets]
        try:
            self.client.log_inputs(self.run_id, datasets=inputs)
        except MlflowException:  # another run has logged the same data set at this very moment: now it is there
            self.client.log_inputs(self.run_id, datasets=inputs)
        fingerprints = ",".join(data_set.fingerprint for data_set in data_sets)
        self.client.set_tag(self.run_id, "clism.data_fingerprint", fingerprints)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Queue metrics of one step and return at once; a tracking store that fails costs a log line, not the job."""
        now = int(time.time() * 1000)
        entities = [Metric(name, float(value), now, step) for name, value in metrics.items()]
        try:
            self.client.log_batch(self.run_id, metrics=entities, synchronous=False)
        except Exception:  # whatever a store of any kind raises while it is opened
            logger.warning("the metrics of step %d were not logged", step, exc_info=True)

    def flush(self) -> None:
        """Wait until the metrics that this process has queued are written (or given up, which MLflow logs)."""
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
        """Write what is queued and end the run. Any status but `FINISHED` lets `start_run` resume it."""
        self.flush()
        self.client.set_terminated(self.run_id, status)

    def reopen(self) -> None:
        """Let a job that starts again with the same output go on in this run, though it is finished."""
        self.client.update_run(self.run_id, status="RUNNING")


def start_run(*, job: str, output: str, name: str | None = None, tags: Mapping[str, str] | None = None) -> TrackedRun:
    """Start the run of a job in the experiment `clism` of the current tracking store.

    A job that is started again with the same output goes on in its MLflow run, unless that one is finished.

    Args:
        job: Such as `pretrain`.
        output: The job's output folder, absolute: what it is resumed by.
        name: Of the run; without one, the name of the output folder.
        tags: More tags.
    """
    run_tags = {"clism.job": job, OUTPUT_TAG: output, **(tags or {})}
    uri = tracking_uri()
    client = _client(uri)
    experiment_id = _experiment_id(client, uri)
    run = unfinished_run(output)
    if run is not None:
        run.reopen()
        run.set_tags(run_tags)
        logger.info("going on in MLflow run %s", run.run_id)
        return run
    created = client.create_run(experiment_id, tags=resolve_tags(run_tags), run_name=name or Path(output).name)
    return TrackedRun(uri, created.info.run_id)


def unfinished_run(output: str) -> TrackedRun | None:
    """Return the run of the job with this output folder, absolute; None where there is none, or it is finished."""
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
    """End the run of the job with this output folder, absolute, if its process was lost before it could."""
    try:
        run = unfinished_run(output)
        if run is not None and run.status() == "RUNNING":
            run.finish(status)
    except MlflowException:
        logger.warning("MLflow was not told that the run of %s has ended", output, exc_info=True)


@contextmanager
def tracked_run(
    *, job: str, output: str, config: Mapping[str, Any], name: str | None = None, tags: Mapping[str, str] | None = None
) -> Iterator[TrackedRun]:
    """Start a run as `start_run` does, log its config, environment and system metrics, and end it with the block.

    It ends as `FINISHED`, as `FAILED` with an exception, as `KILLED` with Ctrl-C, or as the block has ended it.
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
    """Describe what this process runs on: Python, platform, packages, GPUs and, where Ray is up, the cluster."""
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
    """Return `text` with `_` for each character that MLflow refuses between the slashes of a name, such as &."""
    return _REFUSED_IN_NAMES.sub("_", text)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested dictionaries as one, with dotted names; lists stay values."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def ui_command(uri: str) -> str:
    """Return the command that opens MLflow's page, on this machine only; of a server, its address."""
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
    """Return the id of the experiment, made with artefacts beside the store: MLflow would put them where we stand."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return str(experiment.experiment_id)
    if uri.startswith("http"):  # a server has a place of its own
        return client.create_experiment(EXPERIMENT)
    folder = Path(uri.removeprefix(SQLITE)).parent if uri.startswith(SQLITE) else home()
    return client.create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").as_uri())
