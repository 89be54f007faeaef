import pytest
import ray
from ray.exceptions import RaySystemError

from clism_core.cluster import waiting
from clism_core.cluster.waiting import Snapshot, Use, Waits, take_snapshot

OWN, OTHER = "02000000", "01000000"
COMMANDS = {OTHER: "python jobs/pretrain.py", OWN: "python jobs/finetune.py"}


def use(job: str, cpus: float, *, name: str = "a") -> Use:
    return Use(name, job, {"CPU": cpus, "memory": 1e9})


@pytest.mark.parametrize(
    ("held", "wanted", "line"),
    [
        pytest.param([], [], "", id="nothing"),
        pytest.param([use(OTHER, 4)], [], "", id="not-waiting"),
        pytest.param([use(OTHER, 4)], [use(OTHER, 1)], "", id="another-job-waits"),
        pytest.param(
            [use(OTHER, 3.5), use(OTHER, 0.5)],
            [use(OWN, 1)],
            "waiting for 1 CPU: 4 of 4 in use by job 01000000, `python jobs/pretrain.py` (4)",
            id="all-in-use",
        ),
        pytest.param(
            [use(OTHER, 3.5), use(OWN, 0.5)],
            [use(OWN, 0.5), use(OWN, 1, name="b")],
            "waiting for 1.5 CPU: 4 of 4 in use by job 01000000, `python jobs/pretrain.py` (3.5), this job (0.5)",
            id="shared",
        ),
        pytest.param([use(OWN, 4)], [use(OWN, 1)], "", id="own-queue"),
        pytest.param(
            [use("03000000", 4)],
            [use(OWN, 1)],
            "waiting for 1 CPU: 4 of 4 in use by job 03000000 (4)",
            id="unknown",
        ),
        pytest.param([], [use(OWN, 8)], "waiting for 8 CPU: the cluster has 4", id="too-small"),
        pytest.param(
            [use(OTHER, 4)],
            [Use("a", OWN, {"GPU": 1.0})],
            "waiting for 1 GPU: the cluster has 0",
            id="none-at-all",
        ),
    ],
)
def test_what_a_job_waits_for(held: list[Use], wanted: list[Use], line: str) -> None:
    waits, now = Waits(OWN), Snapshot({"CPU": 4.0}, held, wanted, COMMANDS, free={"CPU": 4.0})
    assert waits.line(now) == "", "it has only just begun to wait"
    assert waits.line(now) == line


def test_a_queue_that_moves_is_no_wait() -> None:
    waits = Waits(OWN)
    for number in range(3):
        now = Snapshot({"CPU": 4.0}, [use(OTHER, 4)], [use(OWN, 1, name=f"task-{number}")])
        assert waits.line(now) == ""


def test_without_a_dashboard_placement_groups_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a local cluster."""

    def fail(**_options: object) -> None:
        raise RaySystemError("no dashboard")

    groups = {
        name: {"placement_group_id": f"{'ab' * 14}{job}", "state": state, "bundles": {0: {"CPU": 1.0}, 1: {"CPU": 2.0}}}
        for name, job, state in (("a", OTHER, "CREATED"), ("b", OWN, "PENDING"), ("c", OWN, "REMOVED"))
    }
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    monkeypatch.setattr(ray, "available_resources", lambda: {"CPU": 1.0})
    monkeypatch.setattr(waiting, "placement_group_table", lambda: groups)
    monkeypatch.setattr(waiting, "list_placement_groups", fail)
    waits = Waits(OWN)
    assert [waits.line(take_snapshot()) for _ in range(2)] == [
        "",
        "waiting for 3 CPU: 3 of 4 in use by job 01000000 (3)",
    ]
