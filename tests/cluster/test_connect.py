import os
import socket
from pathlib import Path

import pytest
import ray
from ray._private.utils import check_version_info
from sockets import listening_below

from clism_core.cluster.connect import check_shared, connect, storage_problems, tracking_problems
from clism_core.utils.errors import InputError

SERVER, BUCKET = "http://mlflow:5000", "s3://bucket/output"


@pytest.mark.parametrize(
    ("tracking", "fits"),
    [
        pytest.param(SERVER, True, id="server"),
        pytest.param("postgresql://db/x", True, id="database"),
        pytest.param("sqlite:////x.db", False, id="file-of-a-database"),
        pytest.param("/runs", False, id="folder"),
    ],
)
def test_tracking_problems(tracking: str, fits: bool) -> None:
    problems = tracking_problems(tracking)
    assert fits == (not problems)
    assert all(tracking in problem and "MLFLOW_TRACKING_URI" in problem for problem in problems)


@pytest.mark.parametrize("output_is_local", [True, False])
@pytest.mark.parametrize("blind", [0, 2])
def test_storage_problems(tmp_path: Path, output_is_local: bool, blind: int) -> None:
    asked: list[str] = []

    def count(path: str) -> int:
        assert Path(path).exists()
        asked.append(path)
        return blind

    (tmp_path / "corpus.tsv").touch()
    inputs = ["s3://bucket/corpus.tsv", str(tmp_path / "corpus.tsv")]
    output = str(tmp_path / "output") if output_is_local else BUCKET
    problems = storage_problems(output, inputs, count)
    expected = [inputs[1], *([output] if output_is_local else [])]
    assert len(asked) == len(expected)
    assert [problem.split(";")[0] for problem in problems] == (
        [f"2 of the other nodes do not see {path}" for path in expected] if blind else []
    )
    assert not list(tmp_path.rglob(".seen-*"))


def test_paths_of_this_process_alone_need_not_be_shared() -> None:
    assert storage_problems(None, [], lambda _: 1) == []
    assert tracking_problems(None) == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        pytest.param("http://127.0.0.1:8265", "not the address of a Ray cluster", id="http"),
        pytest.param("nonsense", "not the address of a Ray cluster", id="no-port"),
        pytest.param("127.0.0.1:{port}", "no Ray cluster at 127.0.0.1", id="nobody-listens"),
        pytest.param("ray://127.0.0.1:{port}", "no Ray cluster at ray://127.0.0.1", id="no-client-server"),
    ],
)
def test_unreachable_cluster_is_an_input_error(monkeypatch: pytest.MonkeyPatch, address: str, message: str) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody else can take it meanwhile
        monkeypatch.setenv("RAY_ADDRESS", address.format(port=unused.getsockname()[1]))
        with pytest.raises(InputError, match=message):
            connect()


@pytest.mark.parametrize(
    ("wrapped", "ray_version", "python_version"),
    [
        pytest.param(True, "1.13.0", "3.11.1", id="ray"),
        pytest.param(True, ray.__version__, "3.7.2", id="python"),
        pytest.param(False, "1.13.0", "3.7.2", id="through-a-proxy"),
    ],
)
def test_other_versions_on_the_cluster_are_an_input_error(
    monkeypatch: pytest.MonkeyPatch, wrapped: bool, ray_version: str, python_version: str
) -> None:
    def init(**_options: object) -> None:
        versions = {"ray_version": ray_version, "python_version": python_version}
        try:
            check_version_info(versions, "node", raise_on_mismatch=True, python_version_match_level="minor")
        except RuntimeError as error:
            if wrapped:
                raise ConnectionError("Failed to connect to Ray cluster") from error
            raise

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(InputError) as raised:
            connect()
    assert f"runs Ray {ray_version} with Python {python_version}, but this process Ray {ray.__version__}" in str(
        raised.value
    )
    assert "\n" not in str(raised.value)


@pytest.mark.ray
def test_workers_of_a_local_cluster_know_its_address(ray_cluster: None) -> None:
    """Without it, Ray's helpers raise an error if the machine has another cluster."""
    address = ray.remote(num_cpus=0)(lambda: os.environ["RAY_ADDRESS"])
    assert ray.get(address.remote()) == ray.get_runtime_context().gcs_address
    assert os.environ["RAY_ADDRESS"] == "local"


@pytest.mark.ray
def test_local_cluster_listens_on_this_machine_only(ray_cluster: None) -> None:
    listening = listening_below()
    assert len(listening) >= 3  # GCS, raylet, agents
    assert [entry for entry in listening if not entry.is_local] == []


@pytest.mark.ray
def test_single_node_needs_no_shared_storage(ray_cluster: None, tmp_path: Path) -> None:
    check_shared(output=str(tmp_path), inputs=[str(tmp_path)], tracking=f"sqlite:///{tmp_path}/mlflow.db")


@pytest.mark.ray
def test_workers_on_nodes_that_have_yet_to_join(
    ray_cluster: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = {"CPU": 2.0, "GPU": 8.0}
    with pytest.raises(InputError, match=r"need 8 GPUs, more than the cluster has.*MLFLOW_TRACKING_URI.*request fewer"):
        check_shared(output=BUCKET, inputs=[], tracking=f"sqlite:///{tmp_path}/mlflow.db", wanted=wanted)
    check_shared(output=str(tmp_path), inputs=[BUCKET], tracking=SERVER, wanted=wanted)
    assert f"waiting for nodes with 8 GPUs to join; they need access to {tmp_path}" in caplog.text
