"""The tune job, from a search space to the best preset and model, on a tiny encoder."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import ray
import tune as job
import yaml
from labelled import write_squad
from mlflow import MlflowClient
from mlflow.entities import Run
from reserved_cpus import wait_for_free_cpus
from tiny import write_encoder, write_prepared

from clism_core.command_line import EXIT_BAD_INPUT, EXIT_STOPPED, build_parser, run_job
from clism_core.experiments.tuning.config import TuneConfig
from clism_core.experiments.tuning.export import SweepResult
from clism_core.experiments.tuning.space import JobName
from clism_core.pretraining.batches import MaskingConfig
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.held_out_data import HeldOutConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tracking.lifecycle import unfinished_run
from clism_core.training.config import WorkersConfig
from clism_core.training.loop import CadenceConfig, LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.home import tracking_uri

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SPACE = """
from ray import tune
from clism_core.experiments.tuning.space import Budget, Space
SPACE = Space(job={job!r}, parameters={parameters}, metrics={metrics!r}, searcher="grid", budget=Budget(grace=10.0))
"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    root = tmp_path_factory.mktemp("tune")
    return PretrainConfig(
        model=str(write_encoder("xlmr", root / "encoder")),
        data=str(write_prepared(root / "prepared")),
        global_batch_size=8,
        length_window=4,
        masking=MaskingConfig(max_length=64),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=0),
        loop=LoopConfig(steps=8, evaluate_every=4, checkpoint_every=8, log_every=2),
        held_out=HeldOutConfig(fraction=0.1, max_samples=5),
        workers=WorkersConfig(number=1, use_gpu=False),
    )


def write_space(
    folder: Path, parameters: str, metrics: tuple[str, ...] = ("*/retrieval_accuracy",), job: JobName = "pretrain"
) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mine.py"
    file.write_text(SPACE.format(job=job, parameters=parameters, metrics=metrics))
    return str(file)


def child_runs(parent_output: Path | str) -> list[Run]:
    client = MlflowClient(tracking_uri())
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (parent,) = client.search_runs(experiments, f"tags.`clism.output` = '{parent_output}'")
    return list(client.search_runs(experiments, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"))


def trials_of(output: Path) -> list[dict[str, Any]]:
    with (output / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_best_trial_of_a_grid_becomes_a_preset_and_a_model(
    ray_cluster: None, base: PretrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = write_space(tmp_path, "{'held_out.origins': tune.choice([['nowhere'], []])}")
    output = tmp_path / "sweep"
    config = TuneConfig(space=space, pretrain=base, output=str(output))
    job.main(replace(config, register=False))
    (folder,) = json.loads((output / "result.json").read_text())["models"]
    assert folder in capsys.readouterr().out
    assert folder.startswith(f"{output}/trials/")
    job.main(config)  # registers the best model of the finished trials
    said = capsys.readouterr().out
    assert {path.name for path in output.iterdir()} >= {
        "best-pretrain.yaml",
        "config.yaml",
        "parallel_coordinates.png",
        "result.json",
        "run.json",
        "trials.csv",
        "trials.md",
    }
    finished, failed = trials_of(output)
    assert (finished["status"], failed["status"]) == ("finished", "failed")
    assert "no sample of" in failed["error"]  # has the origin nowhere
    assert failed["error"].removeprefix("'") in said  # the apostrophe keeps spreadsheets from reading a formula
    parser = build_parser(PretrainConfig, None)
    preset = parser.instantiate(parser.parse_args(["--config", str(output / "best-pretrain.yaml")]))
    assert (preset.held_out.origins, preset.model, preset.output) == ([], base.model, "")
    (registered,) = json.loads((output / "result.json").read_text())["models"]
    assert registered.startswith("models:/clism-encoder/")
    assert registered in said
    statuses = {run.info.run_name: run.info.status for run in child_runs(output)}
    assert statuses == {finished["trial"]: "FINISHED", failed["trial"]: "FAILED"}
    assert not list(output.glob(f"trials/{finished['trial']}/checkpoints/*"))
    assert wait_for_free_cpus() == 0

    job.main(config)  # the sweep is finished
    assert capsys.readouterr().out == said
    assert len(child_runs(output)) == 2


def test_a_trial_stopped_early_releases_its_resources(ray_cluster: None, base: PretrainConfig, tmp_path: Path) -> None:
    # The loss is the objective, so the trial that learns is the worse one.
    space = write_space(tmp_path, "{'optimizer.learning_rate': tune.choice([1e-9, 1e-2])}", ("*/mlm_loss",))
    output = tmp_path / "sweep"
    long = replace(base, loop=replace(base.loop, steps=120, evaluate_every=12))
    job.main(TuneConfig(space=space, pretrain=long, output=str(output), max_concurrent=1, register=False))
    best, stopped = trials_of(output)
    assert (best["status"], float(best["optimizer.learning_rate"])) == ("finished", 1e-9)
    assert (stopped["status"], float(stopped["progress"])) == ("stopped early", 10.0)
    assert wait_for_free_cpus() == 0
    statuses = {run.info.run_name: run.info.status for run in child_runs(output)}
    assert statuses == {best["trial"]: "FINISHED", stopped["trial"]: "KILLED"}
    assert not list(output.glob("trials/*/checkpoints/*"))
    assert json.loads((output / "result.json").read_text())["models"] == [f"{output}/trials/{best['trial']}/model"]


def test_a_joint_trial_runs_both_jobs_and_exports_a_preset_and_a_model_of_each(
    ray_cluster: None, base: PretrainConfig, tmp_path: Path
) -> None:
    fields = "{'pretrain.objectives.temperature': tune.choice([0.05, 20.0]), 'finetune.steps': tune.choice([6])}"
    space = write_space(tmp_path, fields, ("*/f1",), job="joint")
    finetune = FinetuneConfig(
        task="mrc",
        model="",  # a trial fine-tunes the encoder that it pre-trained
        train=str(write_squad(tmp_path / "train.json", questions=20)),
        dev=str(write_squad(tmp_path / "dev.json", questions=6)),
        steps=12,
        global_batch_size=4,
        length_window=1,
        mrc=MrcConfig(max_length=64, stride=8, max_question_length=24),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=0),
        loop=CadenceConfig(evaluate_every=3, checkpoint_every=3, log_every=2),
        workers=WorkersConfig(number=1, use_gpu=False),
    )
    output = tmp_path / "sweep"
    job.main(TuneConfig(space=space, pretrain=base, finetune=finetune, output=str(output), scheduler="fifo"))

    best, other = trials_of(output)
    assert (best["status"], other["status"]) == ("finished", "finished")
    assert float(best["objective"]) >= float(other["objective"])
    assert {best["pretrain.objectives.temperature"], other["pretrain.objectives.temperature"]} == {"0.05", "20.0"}
    trials = child_runs(output)
    assert {run.info.run_name for run in trials} == {best["trial"], other["trial"]}
    for run in trials:
        folder = run.data.tags["clism.output"]
        runs = {child.data.tags["clism.output"]: child for child in child_runs(folder)}
        assert runs.keys() == {f"{folder}/pretrain", f"{folder}/finetune"}
        params = runs[f"{folder}/finetune"].data.params
        assert (params["model"], params["steps"]) == (f"{folder}/pretrain/model", "6")
        # A run exports the best model of its evaluations, which is not always the last one.
        curve = MlflowClient(tracking_uri()).get_metric_history(runs[f"{folder}/finetune"].info.run_id, "eval/en/f1")
        untrained, *trained = curve
        assert (untrained.step, [point.step for point in trained]) == (0, [3, 6])
        assert run.data.metrics["objective"] == max(point.value for point in trained)

    encoder, model = json.loads((output / "result.json").read_text())["models"]
    assert (encoder.rsplit("/", 1)[0], model.rsplit("/", 1)[0]) == ("models:/clism-encoder", "models:/clism-mrc")
    parser = build_parser(PretrainConfig, None)
    preset = parser.instantiate(parser.parse_args(["--config", str(output / "best-pretrain.yaml")]))
    assert preset.objectives.temperature == float(best["pretrain.objectives.temperature"])
    parser = build_parser(FinetuneConfig, None)
    preset = parser.instantiate(parser.parse_args(["--config", str(output / "best-finetune.yaml")]))
    assert (preset.model, preset.steps) == (encoder, 6)
    assert wait_for_free_cpus() == 0


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_or_killed_sweep_resumes_without_repeating_a_trial(
    base: PretrainConfig, tmp_path: Path, sent: signal.Signals
) -> None:
    output, settings = tmp_path / "sweep", tmp_path / "sweep.yaml"
    space = write_space(tmp_path, "{'seed': tune.choice([0, 1, 2])}")
    config = TuneConfig(
        space=space, pretrain=base, output=str(output), max_concurrent=1, scheduler="fifo", register=False
    )
    settings.write_text(yaml.safe_dump(asdict(config)))
    command = [sys.executable, str(ROOT / "jobs" / "tune.py"), "--config", str(settings)]
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    first = subprocess.Popen(command, env=environment, cwd=tmp_path)
    results = output / "trials"
    deadline = time.monotonic() + 300
    while len(list(results.glob("*/result.json"))) < 1:
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    first.send_signal(sent)
    assert first.wait(120) == (EXIT_STOPPED[sent] if sent == signal.SIGTERM else -sent)
    exported = {file: file.stat().st_mtime_ns for file in results.glob("*/model/model.safetensors")}
    assert 1 <= len(exported) < 3
    assert not (output / "result.json").exists()
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=600)
    assert len(trials_of(output)) == 3
    assert {file: file.stat().st_mtime_ns for file in exported} == exported
    assert {trial["seed"] for trial in trials_of(output)} == {"0", "1", "2"}


def test_a_sweep_without_a_finished_trial_reports_the_reasons(
    ray_cluster: None, base: PretrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = write_space(tmp_path, "{'held_out.origins': tune.choice([['nowhere']])}")
    config = TuneConfig(space=space, pretrain=base, output=str(tmp_path / "sweep"))
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(asdict(config)))
    arguments = ["--config", str(tmp_path / "sweep.yaml")]
    assert run_job(TuneConfig, job.main, description=None, arguments=arguments) == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert "no trial of the sweep" in said
    assert "has these origins" in said


def test_failed_trials_are_retried_on_request(ray_cluster: None, base: PretrainConfig, tmp_path: Path) -> None:
    late, output = tmp_path / "late", tmp_path / "sweep"
    space = write_space(tmp_path, f"{{'model': tune.choice([{base.model!r}, {str(late)!r}])}}")
    config = TuneConfig(space=space, pretrain=base, output=str(output), register=False)
    job.main(config)
    assert [trial["status"] for trial in trials_of(output)] == ["finished", "failed"]
    finished = trials_of(output)[0]["trial"]
    written = (output / "trials" / finished / "result.json").stat().st_mtime_ns

    shutil.copytree(base.model, late)
    job.main(config)
    assert [trial["status"] for trial in trials_of(output)] == ["finished", "failed"]

    noted, manifest = (output / "result.json").read_text(), Path(str(base.data), "manifest.json")
    as_it_was = manifest.read_text()
    manifest.write_text(json.dumps(json.loads(as_it_was) | {"content": "another"}))
    with pytest.raises(ValueError, match=f"holds a run with another content of {base.data}"):
        job.main(replace(config, retry_failed=True))
    manifest.write_text(as_it_was)
    assert (output / "result.json").read_text() == noted

    job.main(replace(config, retry_failed=True))
    assert [trial["status"] for trial in trials_of(output)] == ["finished", "finished"]
    assert {trial["model"] for trial in trials_of(output)} == {base.model, str(late)}
    assert (output / "trials" / finished / "result.json").stat().st_mtime_ns == written
    # The first attempt failed before it wrote anything, so the second one has an MLflow run of its own.
    runs = child_runs(output)
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED", "FINISHED"]
    assert all(run.info.status == "FINISHED" for run in runs if "clism.output" in run.data.tags)


def test_a_sweep_whose_trials_do_not_fit_changes_nothing(
    ray_cluster: None, base: PretrainConfig, tmp_path: Path
) -> None:
    output = tmp_path / "sweep"
    output.mkdir()
    swept = SweepResult(1, ["failed"], "", 0.0, [], [], "", tracking_uri(), "0123")
    noted = json.dumps(asdict(swept))
    (output / "result.json").write_text(noted)
    all_cpus = replace(base, workers=WorkersConfig(cpus=ray.cluster_resources()["CPU"], use_gpu=False))
    space = write_space(tmp_path, "{'seed': tune.choice([0])}")
    config = TuneConfig(space=space, pretrain=all_cpus, output=str(output), retry_failed=True)
    with pytest.raises(
        ValueError, match=r"a run needs 4\.25 CPUs, but the cluster has only 4 CPUs now; .*max_concurrent"
    ):
        job.main(config)
    assert (output / "result.json").read_text() == noted
    assert unfinished_run(str(output)) is None


def test_another_sweep_in_the_same_folder_is_refused(ray_cluster: None, base: PretrainConfig, tmp_path: Path) -> None:
    output = tmp_path / "sweep"
    output.mkdir()
    (output / "run.json").write_text(json.dumps({"seed": 5}))
    config = TuneConfig(space=write_space(tmp_path, "{'seed': tune.choice([0])}"), pretrain=base, output=str(output))
    with pytest.raises(ValueError, match="holds a run with another"):
        job.main(replace(config))
