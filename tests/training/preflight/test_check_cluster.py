import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tiny import write_encoder, write_prepared

from clism_core.cluster.nodes import NoAnswerError, ask_nodes, this_node_id
from clism_core.pretraining.config import PretrainConfig
from clism_core.training.config import WorkersConfig
from clism_core.training.preflight import check
from clism_core.training.preflight.check import check_cluster
from clism_core.training.preflight.needs import Needs, installed_packages
from clism_core.training.preflight.node import Gpu, NodeReport
from clism_core.utils.errors import InputError, OnlyCheckedError


@pytest.fixture
def config(tmp_path: Path) -> PretrainConfig:
    return PretrainConfig(
        model=str(write_encoder("xlmr", tmp_path / "encoder")),
        data=str(write_prepared(tmp_path / "prepared")),
        workers=WorkersConfig(use_gpu=False),
    )


def faked_nodes(patch: pytest.MonkeyPatch, answers: Mapping[str, NodeReport | NoAnswerError]) -> list[Needs]:
    """Replace the cluster by nodes with these answers, and return what they were asked for."""
    asked: list[Needs] = []

    def ask(function: "partial[NodeReport]", nodes: Sequence[str], *, timeout: float) -> Mapping[str, object]:
        asked.append(*function.args)
        assert (list(nodes), timeout < 60) == (list(answers), True)
        return answers

    resources = [{"NodeID": node, "Resources": {"CPU": 4.0, "GPU": 1.0}} for node in answers]
    patch.setattr(check, "ask_nodes", ask)
    patch.setattr(check, "live_nodes", lambda: resources)
    patch.setattr(check, "node_names", lambda: {node: f"host-{node}" for node in answers})
    patch.setattr(check, "this_node_id", lambda: next(iter(answers)))
    patch.setattr(check, "working_nodes", lambda: list(answers))
    patch.setattr(check, "trains_on_gpus", lambda workers: workers.use_gpu)
    patch.setattr(check, "joining_problem", lambda *_, **__: "")
    return asked


V100, SERVER = Gpu("V100", (7, 0), 16 * 2**30), "http://mlflow:5000"


def test_problems_of_several_nodes(
    config: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    packages = installed_packages()
    fine = NodeReport(packages=packages, gpus=(V100,), architectures=("sm_70",), free_disk={"/tmp": 0})
    asked = faked_nodes(
        monkeypatch,
        {
            "a": fine,
            "b": replace(fine, packages=packages | {"ray": "1.0"}, problems=("no bucket",)),
            "c": replace(fine, problems=("no bucket",)),
            "d": NoAnswerError("did not answer within 45 s"),
        },
    )
    on_gpus = replace(config, precision="bf16", workers=WorkersConfig(use_gpu=True))
    with pytest.raises(InputError) as raised:
        check_cluster([on_gpus], output=str(tmp_path / "output"))
    _, *problems = str(raised.value).split("\n- ")
    assert problems == [
        "on host-a, host-b, host-c: --precision bf16: not supported by V100 (compute capability 7.0); use fp16, fp32 "
        "or auto",
        f"on host-b: ray 1.0, but the driver has {packages['ray']}; install the same version",
        "on host-b, host-c: no bucket",
        "on host-d: did not answer within 45 s",
    ]
    assert "on all nodes: /tmp has 0.0 GiB free" in caplog.text
    (needs,) = asked
    assert needs.folders.keys() == {config.model, config.data}
    assert needs.output == str(tmp_path / "output")
    assert needs.marker is not None
    assert not Path(needs.marker).exists(), "deleted after the checks"
    assert needs.loads[0].parameters > 1_000


def test_a_file_as_tracking_store_and_a_missing_model_are_reported_with_the_rest(
    config: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = NodeReport(packages=installed_packages())
    faked_nodes(monkeypatch, {"a": fine, "b": replace(fine, problems=("no bucket",))})
    missing = replace(config, model="no/such-model")
    with pytest.raises(InputError) as raised:
        check_cluster([missing], output=str(tmp_path / "output"))
    _, *problems = str(raised.value).split("\n- ")
    assert len(problems) == 3
    assert problems[0].startswith("several nodes cannot share sqlite:///")
    assert problems[1].startswith("model no/such-model: no such folder, and not found on the Hugging Face hub")
    assert problems[2] == "on host-b: no bucket"


@pytest.mark.parametrize(
    ("modes", "nodes", "checks"),
    [
        pytest.param([None], "a", False, id="one-node"),
        pytest.param([True], "a", True, id="one-node-asked-for"),
        pytest.param([None], "ab", True, id="two-nodes"),
        pytest.param([False], "ab", False, id="switched-off"),
        pytest.param([False, None], "ab", True, id="trainings-of-a-sweep"),
    ],
)
def test_when_nodes_are_checked(
    config: PretrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    modes: list[bool | None],
    nodes: str,
    checks: bool,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    asked = faked_nodes(monkeypatch, dict.fromkeys(nodes, NodeReport(packages=installed_packages(), free_memory=2**40)))
    shared: list[str] = []
    monkeypatch.setattr(check, "check_shared", lambda *, output, **_: shared.append(output))
    check_cluster([replace(config, check=mode) for mode in modes], output=str(tmp_path))
    assert (len(asked), len(shared)) == ((1, 0) if checks else (0, 1))


@pytest.mark.ray
@pytest.mark.slow
def test_all_problems_of_the_nodes_are_reported_together(
    ray_cluster: None, config: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, config = tmp_path / "output", replace(config, check="only")
    monkeypatch.setattr(check, "TIMEOUT", 200.0)  # this machine may be busy
    with pytest.raises(OnlyCheckedError, match=r"^checked 1 node in \d+ s: no problems; nothing was trained$"):
        check_cluster([config], output=str(output))
    assert list(output.iterdir()) == []
    monkeypatch.setattr(check, "installed_packages", lambda: installed_packages() | {"torch": "1.0"})
    monkeypatch.setattr(check, "description_digest", lambda folder: f"of {folder}")
    with pytest.raises(InputError) as raised:
        check_cluster([replace(config, precision="fp16")], output=str(output))
    _, *problems = str(raised.value).split("\n- ")
    assert [problem.partition(": ")[2].split(";")[0] for problem in problems] == [
        "needs GPUs, but the workers train on CPUs",
        f"torch {installed_packages()['torch']}, but the driver has 1.0",
        f"{config.model} has other files than on the driver's node",
        f"{config.data} has other files than on the driver's node",
    ]
    check_cluster([replace(config, check=None)], output=str(output))  # one node only


@pytest.mark.ray
@pytest.mark.slow
def test_a_node_that_fails_or_does_not_answer(ray_cluster: None) -> None:
    def fail() -> None:
        raise ModuleNotFoundError("No module named 'x'")

    node = [this_node_id()]
    assert ask_nodes(this_node_id, node, timeout=60) == {node[0]: node[0]}
    (failed,) = ask_nodes(fail, node, timeout=60).values()
    assert isinstance(failed, NoAnswerError)
    assert str(failed) == "could not be examined: ModuleNotFoundError: No module named 'x'"
    (late,) = ask_nodes(lambda: time.sleep(60), node, timeout=0.1).values()
    assert isinstance(late, NoAnswerError)
    assert str(late) == "did not answer within 0.1 s"
