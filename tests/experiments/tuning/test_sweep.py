import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
import tune as job
from labelled import write_squad
from ray import tune

from clism_core.experiments.concurrency import concurrent_runs, with_own_threads
from clism_core.experiments.tuning.callbacks import SweepProgress
from clism_core.experiments.tuning.config import TuneConfig
from clism_core.experiments.tuning.space import Budget, SchedulerName, Space, describe_domain
from clism_core.experiments.tuning.sweep import (
    SCHEDULERS,
    check_resumable,
    check_same_sweep,
    sweep_digests,
    sweep_identity,
    trial_count,
)
from clism_core.experiments.tuning.trial import OBJECTIVE, PROGRESS, Trial
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.training.config import WorkersConfig
from clism_core.training.resume import save_identity
from clism_core.utils.errors import InputError

SPACE = Space(
    job="pretrain",
    parameters={"seed": tune.choice([0, 1, 2]), "masking.max_spans": tune.choice([1, 2])},
    metrics=("score",),
)
CONFIG = TuneConfig(space="mine", pretrain=PretrainConfig(model="m", data="d")).resolved(SPACE)


@pytest.mark.parametrize(
    ("workers", "resources", "expected"),
    [
        pytest.param([WorkersConfig(number=1, cpus=0.5)], {"CPU": 2.0}, 2, id="half a CPU and the data reader"),
        pytest.param([WorkersConfig(number=2, cpus=1.0)], {"CPU": 8.0}, 3, id="two workers"),
        pytest.param([WorkersConfig(number=8, cpus=1.0)], {"CPU": 2.0}, 1, id="does not fit, yet nodes may join"),
        pytest.param([WorkersConfig(number=1)], {"CPU": 96.0, "GPU": 8.0}, 8, id="one GPU each"),
        pytest.param([WorkersConfig(number=1, gpus=0.25)], {"CPU": 96.0, "GPU": 8.0}, 32, id="four share a GPU"),
        pytest.param([WorkersConfig(use_gpu=False)], {"CPU": 3.0, "GPU": 1.0}, 4, id="CPUs though there are GPUs"),
        pytest.param(
            [WorkersConfig(number=4), WorkersConfig(number=1)],
            {"CPU": 96.0, "GPU": 8.0},
            2,
            id="the larger of two runs",
        ),
    ],
)
def test_as_many_concurrent_trials_as_fit(
    workers: list[WorkersConfig], resources: dict[str, float], expected: int
) -> None:
    assert concurrent_runs(workers, resources) == expected


@pytest.mark.parametrize(
    ("workers", "runs", "cpus", "threads"),
    [
        pytest.param(WorkersConfig(), 1, [8], 8, id="all of a machine"),
        pytest.param(WorkersConfig(number=2), 2, [8], 2, id="shared"),
        pytest.param(WorkersConfig(), 1, [8, 64], 8, id="the smaller node is the limit"),
        pytest.param(WorkersConfig(), 4, [0, 2], 1, id="one at least"),
        pytest.param(WorkersConfig(threads=3), 1, [8], 3, id="set by the user"),
    ],
)
def test_cores_are_shared_among_the_runs(workers: WorkersConfig, runs: int, cpus: list[float], threads: int) -> None:
    nodes = [{"CPU": each} if each else {} for each in cpus]
    assert with_own_threads(workers, runs=runs, nodes=nodes).threads == threads


def test_a_grid_is_tried_completely() -> None:
    assert trial_count(replace(CONFIG, searcher="grid", trials=1), SPACE) == 6
    assert trial_count(replace(CONFIG, trials=5), SPACE) == 5


def test_different_domains_have_different_descriptions() -> None:
    domains = [
        tune.uniform(0.1, 1.0),
        tune.loguniform(0.1, 1.0),
        tune.quniform(0.1, 1.0, 0.1),
        tune.randn(0.0, 1.0),
        tune.randn(0.0, 2.0),
        tune.choice([0.1, 1.0]),
        tune.uniform(0.1, 2.0),
    ]
    assert len({describe_domain(domain) for domain in domains}) == len(domains)


def test_identity_depends_on_the_trials_and_not_on_resources_or_folders() -> None:
    bases = CONFIG.bases(SPACE)
    base = bases["pretrain"]
    identity = sweep_identity(CONFIG, SPACE, bases)
    elsewhere = {"pretrain": replace(base, workers=WorkersConfig(number=4))}
    assert sweep_identity(replace(CONFIG, max_concurrent=3, output="p"), SPACE, elsewhere) == identity
    longer = {"pretrain": replace(base, loop=replace(base.loop, steps=1))}
    assert sweep_identity(CONFIG, SPACE, longer) != identity
    assert sweep_identity(replace(CONFIG, seed=1), SPACE, bases) != identity
    assert sweep_identity(CONFIG, replace(SPACE, mode="min"), bases) != identity
    fewer = sweep_identity(CONFIG, replace(SPACE, parameters={}), bases)
    assert any(value != identity.get(name) for name, value in fewer.items())  # these are compared
    assert sweep_identity(CONFIG, replace(SPACE, parameters={"seed": tune.choice([0, 1])}), bases) != identity


def test_paths_below_the_working_directory_are_relative_in_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identities = []
    for name in ("first größe", 'second "one"'):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        bases = {"pretrain": PretrainConfig(model=str(tmp_path / name / "encoder"), data=str(tmp_path / "prepared"))}
        identities.append(sweep_identity(CONFIG, SPACE, bases))
    assert identities[0] == identities[1]
    assert (identities[0]["pretrain.model"], identities[0]["pretrain.data"]) == ("encoder", str(tmp_path / "prepared"))


def test_digests_reveal_changed_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for folder, questions in (("first", 4), ("again", 4), ("changed", 5)):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        train = write_squad(tmp_path / folder / "train.json", questions=questions)
        base = FinetuneConfig(task="mrc", model="xlm-roberta-base", train=str(train), dev="")
        digests.append(sweep_digests({"finetune": base}))
    assert digests[0].keys() == {"content of train.json"}
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_no_scheduler_pauses_a_trial(name: SchedulerName) -> None:
    scheduler = SCHEDULERS[name](Budget())
    scheduler.set_search_properties(OBJECTIVE, "max")
    controller, waiting = MagicMock(), MagicMock(status="PENDING")
    controller.get_live_trials.return_value = controller.get_trials.return_value = [waiting]
    for number in range(5):
        trial = MagicMock(trial_id=str(number), status="RUNNING")
        scheduler.on_trial_add(controller, trial)
        result = {OBJECTIVE: float(number), PROGRESS: 30.0, "time_total_s": 100.0}
        assert scheduler.on_trial_result(controller, trial, result) in ("CONTINUE", "STOP")


def test_asha_stops_the_worse_of_two_at_the_first_rung() -> None:
    scheduler = SCHEDULERS["asha"](Budget(grace=20.0))
    scheduler.set_search_properties(OBJECTIVE, "max")
    decisions = []
    for number, found in enumerate((0.5, 0.4)):
        trial = MagicMock(trial_id=str(number))
        scheduler.on_trial_add(MagicMock(), trial)
        decisions.append(scheduler.on_trial_result(MagicMock(), trial, {OBJECTIVE: found, PROGRESS: 25.0}))
    assert decisions == ["CONTINUE", "STOP"]


@pytest.mark.parametrize(
    ("model", "is_same"),
    [
        pytest.param("models:/clism-encoder/3", True, id="version"),
        pytest.param("models:/clism-encoder@candidate", True, id="alias, which may have moved"),
        pytest.param("models:/clism-encoder/latest", True, id="latest version"),
        pytest.param("models:/clism-encoder/4", False, id="another version"),
        pytest.param("xlm-roberta-base", False, id="another model"),
    ],
)
def test_a_finished_sweep_is_found_by_the_model_that_was_given(model: str, is_same: bool, tmp_path: Path) -> None:
    def sweep_from(name: str) -> TuneConfig:
        return replace(CONFIG, output=str(tmp_path), pretrain=PretrainConfig(model=name, data="d"))

    begun = sweep_from("models:/clism-encoder/3")
    save_identity(str(tmp_path), sweep_identity(begun, SPACE, begun.bases(SPACE)))
    if is_same:
        check_same_sweep(sweep_from(model), SPACE)
    else:
        with pytest.raises(InputError, match=r"pretrain\.model"):
            check_same_sweep(sweep_from(model), SPACE)


class Renamed:
    """Class that a sweep has pickled, and that later versions do not have."""


@pytest.fixture
def sweep_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a sweep whose state refers to a module that no longer exists."""
    module = ModuleType("clism_core.earlier")
    monkeypatch.setitem(sys.modules, "clism_core.earlier", module)
    monkeypatch.setattr(module, "Renamed", Renamed, raising=False)
    monkeypatch.setattr(Renamed, "__module__", "clism_core.earlier")
    (tmp_path / "tune").mkdir()
    (tmp_path / "tune" / "tuner.pkl").write_bytes(pickle.dumps({"_run_config": Renamed()}))
    (tmp_path / "tune" / "experiment_state-2026-01-01_00-00-00.json").write_text("{}")
    monkeypatch.delitem(sys.modules, "clism_core.earlier")
    return tmp_path


def test_a_sweep_of_another_version_is_refused(sweep_of_another_version: Path) -> None:
    with pytest.raises(InputError, match="started by another version of this project and cannot be resumed"):
        check_resumable(str(sweep_of_another_version))


def test_a_sweep_of_this_version_is_resumable(tmp_path: Path) -> None:
    run_config = tune.RunConfig(name="tune", storage_path=str(tmp_path), callbacks=[SweepProgress(cast(Any, None), 3)])
    tune.Tuner(tune.with_parameters(Trial, sweep=None), run_config=run_config)  # saves its state
    (tmp_path / "tune" / "experiment_state-2026-01-01_00-00-00.json").write_text("{}")
    check_resumable(str(tmp_path))


def test_a_new_sweep_needs_no_state(tmp_path: Path) -> None:
    check_resumable(str(tmp_path / "new"))


def test_the_result_of_a_sweep_that_cannot_be_resumed_is_kept(
    sweep_of_another_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = sweep_of_another_version / "result.json"
    result.write_text("{}")
    for name in ("connect", "check_cluster", "trial_concurrency", "identify_sweep"):
        monkeypatch.setattr(job, name, lambda *_, **__: None)
    with pytest.raises(InputError, match="started by another version"):
        job.search(replace(CONFIG, output=str(sweep_of_another_version)), SPACE)
    assert result.exists()
