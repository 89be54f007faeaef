import socket
from pathlib import Path

import psutil
import pytest
import ray

from clism_core.cluster import check_shared, connect, shared_problems
from clism_core.errors import InputError

SERVER, BUCKET = "http://mlflow:5000", "s3://bucket/output"


@pytest.mark.parametrize(
    ("tracking", "output", "others", "seen", "expected"),
    [
        pytest.param("sqlite:////x.db", "local", [], [], [], id="one-node"),
        pytest.param(SERVER, BUCKET, ["a"], [], [], id="server-and-bucket"),
        pytest.param("postgresql://db/x", BUCKET, ["a"], [], [], id="database"),
        pytest.param("sqlite:////x.db", BUCKET, ["a"], [], ["MLFLOW_TRACKING_URI"], id="file-tracking"),
        pytest.param(SERVER, "local", ["a", "b"], [True, True], [], id="shared-folder"),
        pytest.param(SERVER, "local", ["a", "b"], [True, False], ["1 of them do not see"], id="one-node-blind"),
        pytest.param(
            "sqlite:////x.db", "local", ["a"], [False], ["MLFLOW_TRACKING_URI", "1 of them do not see"], id="both"
        ),
    ],
)
def test_shared_problems(
    tmp_path: Path, tracking: str, output: str, others: list[str], seen: list[bool], expected: list[str]
) -> None:
    asked: list[tuple[bool, list[str]]] = []

    def sees(file: str, nodes: list[str]) -> list[bool]:
        asked.append((Path(file).is_file(), nodes))
        return seen

    folder = str(tmp_path / "output") if output == "local" else output
    problems = shared_problems(folder, tracking, others, sees)
    assert len(problems) == len(expected)
    assert all(part in problem for part, problem in zip(expected, problems, strict=True))
    assert asked == ([(True, others)] if seen else [])
    assert not list(tmp_path.rglob(".seen-*"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        pytest.param("http://127.0.0.1:8265", "no address of a Ray cluster", id="http"),
        pytest.param("nonsense", "no address of a Ray cluster", id="no-port"),
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


@pytest.mark.ray
def test_local_cluster_listens_on_this_machine_only(ray_cluster: None) -> None:
    processes = psutil.Process().children(recursive=True)
    listening = [
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3  # GCS, raylet, agents
    assert set(listening) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


@pytest.mark.ray
def test_one_node_shares_everything_with_itself(ray_cluster: None, tmp_path: Path) -> None:
    check_shared(str(tmp_path), f"sqlite:///{tmp_path}/mlflow.db")
