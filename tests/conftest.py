"""What all tests share: a home folder of their own, no network, one Ray cluster a session."""

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow_server import Server
from reserved_cpus import wait_for_free_cpus

CPUS = 4

# `precision: auto` is fp32 in all tests, on every processor. torch reads the variable once, as do Ray's workers.
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"


@pytest.fixture(scope="session", autouse=True)
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the session out of the user's home and off the network; Ray's workers inherit it from here."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLISM_HOME", str(folder))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("RAY_ADDRESS", "local")  # never a cluster that happens to run here
        yield folder


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with MLflow's tables."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def home_folder(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give one test a home folder with a tracking store of its own, copied: making one takes MLflow two seconds."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(empty_store, folder)
    monkeypatch.setenv("CLISM_HOME", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    return folder


@pytest.fixture(scope="session")
def session_cluster(session_home: Path) -> Iterator[None]:
    """Run one local Ray cluster for all tests of the session that need one."""
    import ray

    from clism_core.cluster.connect import connect

    connect(num_cpus=CPUS)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def ray_cluster(session_cluster: None) -> None:
    """Use the session's local Ray cluster of four CPUs, all of them free at the start of each file."""
    import ray

    from clism_core.cluster.connect import connect

    if wait_for_free_cpus() > 0:  # such as actors that the exception of a failed test keeps alive
        warnings.warn("an earlier test left CPUs reserved; the cluster is restarted", stacklevel=1)
        ray.shutdown()
        connect(num_cpus=CPUS)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Serve an S3 bucket on this machine, found through the environment as a user's would be."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="bucket")
        yield "s3://bucket"
    server.stop()


@pytest.fixture
def server(home_folder: Path, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Run an MLflow server as the test's tracking server, for which jobs do not wait long."""
    (tmp_path / "server").mkdir()
    server = Server(Path(shutil.copy(empty_store, tmp_path / "server")), monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("CLISM_TRACKING_TIMEOUT", "0.5")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield server
    server.stop()
