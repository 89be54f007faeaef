"""The study job, from a grid of runs to tables, on a tiny encoder."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import study as job
from labelled import write_conll, write_squad
from mlflow import MlflowClient
from study import with_preset
from tiny import write_encoder, write_prepared

from clism_core.command_line import EXIT_BAD_INPUT, EXIT_DONE, EXIT_FAILURE, EXIT_STOPPED, run_job
from clism_core.experiments.studies.config import StudyConfig, resolved
from clism_core.experiments.studies.plan import plan_study
from clism_core.pretraining.batches import MaskingConfig
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.held_out_data import HeldOutConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.test_data import TestSetConfig
from clism_core.training.config import WorkersConfig, dump_config
from clism_core.training.loop import CadenceConfig, LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.home import tracking_uri

ROOT = Path(__file__).resolve().parents[2]
OPTIMIZER = OptimizerConfig(learning_rate=1e-2, warmup_steps=0)
WORKERS = WorkersConfig(number=1, use_gpu=False)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> StudyConfig:
    """Study of two methods and two tasks, with one encoder that does not exist."""
    root = tmp_path_factory.mktemp("study")
    for first, language in enumerate(("en", "ar")):
        write_squad(root / f"test.{language}.json", questions=10, first=10 * first)
        write_conll(root / f"test.{language}.conll", sentences=10, first=10 * first)
    finetuning = FinetuneConfig(
        task="mrc",
        model="",
        train=str(write_squad(root / "train.json", questions=40)),
        dev=str(write_squad(root / "dev.json", questions=6)),
        steps=12,
        global_batch_size=8,
        mrc=MrcConfig(max_length=64, stride=8, max_question_length=24),
        ner=NerConfig(max_length=64, types=["PER", "LOC"]),
        optimizer=OPTIMIZER,
        loop=CadenceConfig(evaluate_every=12, checkpoint_every=12, log_every=4),
        workers=WORKERS,
    )
    return StudyConfig(
        name="main",
        output=str(root / "studies"),
        encoders={"base": str(write_encoder("xlmr", root / "encoder")), "absent": "no/such-encoder"},
        ours={"Ours (base)": "base"},
        tasks=["mrc", "ner"],
        seeds=[0],
        pretrain=PretrainConfig(
            model="",
            data=str(write_prepared(root / "prepared")),
            global_batch_size=8,
            masking=MaskingConfig(max_length=64),
            optimizer=OPTIMIZER,
            loop=LoopConfig(steps=8, evaluate_every=8, checkpoint_every=8, log_every=4),
            held_out=HeldOutConfig(fraction=0.1, max_samples=5),
            workers=WORKERS,
        ),
        mrc=finetuning,
        ner=replace(
            finetuning,
            task="ner",
            train=str(write_conll(root / "train.conll", sentences=40)),
            dev=str(write_conll(root / "dev.conll", sentences=6)),
        ),
        mrc_tests=[TestSetConfig(dataset="mine", path=str(root / "test.*.json"))],
        ner_tests=[TestSetConfig(dataset="conll", path=str(root / "test.*.conll"))],
        resamples=200,
    )


def records(output: Path) -> dict[str, str]:
    return {file.parent.name: file.read_text() for file in output.glob("runs/*/finished.json")}


def statuses() -> list[str]:
    """Return the statuses of all child runs in MLflow."""
    client = MlflowClient(tracking_uri())
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return [run.info.status for run in client.search_runs(experiments, "tags.`mlflow.parentRunId` != ''")]


@pytest.mark.ray
@pytest.mark.slow
def test_a_stopped_study_resumes_and_other_studies_share_its_runs(
    config: StudyConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    output = Path(config.output)
    (tmp_path / "study.yaml").write_text(dump_config(config))
    command = [sys.executable, str(ROOT / "jobs" / "study.py"), "--config", str(tmp_path / "study.yaml")]
    with (tmp_path / "log").open("w") as log:
        started = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT, env=dict(os.environ))
        end = time.monotonic() + 400
        while not records(output) and started.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        started.send_signal(signal.SIGTERM)
        assert started.wait(timeout=200) == EXIT_STOPPED[signal.SIGTERM], (tmp_path / "log").read_text()
    assert "To resume:" in (tmp_path / "log").read_text()
    before = records(output)
    assert 1 <= len(before) < 9
    assert "RUNNING" not in statuses()
    assert not (output / "main" / "main.md").exists()

    request.getfixturevalue("ray_cluster")
    with pytest.raises(SystemExit) as ended:
        job.main(config)
    assert ended.value.code == EXIT_FAILURE
    done = records(output)
    assert len(done) == 9  # of base and ours; the runs of the absent encoder failed
    assert {name: done[name] for name in before} == before
    out = capfd.readouterr().out
    assert len(re.findall(r"(?:finetune|evaluate)-\w+ \(method absent, .*\): .*no/such-encoder", out)) == 4
    cells = pd.read_csv(output / "main" / "main.csv")
    measured = cells[cells["source"] == "measured"]
    assert set(measured["method"]) == {"base", "Ours (base)"}
    assert measured["mean"].between(0, 100).all()
    assert measured.set_index(["method", "dataset", "score"])["p_value"].notna()["Ours (base)"].all()
    assert (output / "main" / "main.tex").is_file()
    assert "CalibreNet" in (output / "main" / "main.md").read_text()  # because the paper has CoNLL

    job.main(replace(config, name="per-language", encoders={"base": config.encoders["base"]}))
    assert records(output) == done
    assert not list(output.glob("runs/*/checkpoints"))
    assert (output / "per-language" / "per-language-mine.md").is_file()
    assert str(output / "per-language" / "per-language-conll.csv") in capfd.readouterr().out


@pytest.mark.ray
@pytest.mark.slow
def test_a_deleted_model_is_trained_again_if_needed(ray_cluster: None, config: StudyConfig, tmp_path: Path) -> None:
    """Uses the runs of the test before, if there are any, or else its own."""
    small = replace(
        config, name="convergence", tasks=["mrc"], encoders={"base": config.encoders["base"]}, curve_steps=[4]
    )
    job.main(small)
    before = records(Path(config.output))
    (encoder,) = Path(config.output).glob("runs/pretrain-*")
    shutil.rmtree(encoder / "model")
    job.main(small)  # no longer needs it
    assert records(Path(config.output)) == before
    job.main(replace(small, seeds=[7]))
    after = records(Path(config.output))
    assert (encoder / "model" / "config.json").is_file()
    assert len(after) == len(before) + 2
    assert {name for name in before if after[name] != before[name]} == {encoder.name}


def test_a_dry_run_lists_missing_runs_and_starts_nothing(
    config: StudyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "studies"
    stages = plan_study(resolved(replace(config, output=str(output)))).stages
    folder = output / "runs" / next(iter(stages))
    folder.mkdir(parents=True)
    (folder / "model").mkdir()
    (folder / "finished.json").write_text(json.dumps({"run_id": "0", "seconds": 100.0}))
    job.main(replace(config, output=str(output), dry_run=True))
    out = capsys.readouterr().out
    assert "13 runs in" in out
    assert "1 finished, 12 to run:" in out
    assert out.count("  finetune-") == out.count("  evaluate-") == 6
    assert re.search(r"about [0-9hmins ]+ in total and [\d.]+ dollars, at 25 an hour", out)
    assert [file.name for file in output.iterdir()] == ["runs"]
    (folder / "model").rmdir()
    job.main(replace(config, output=str(output), dry_run=True))
    assert "0 finished, 13 to run:" in capsys.readouterr().out  # because unfinished runs need the deleted model


def test_a_scale_is_a_preset_that_options_override(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def dry_run(*arguments: str) -> str:
        options = ["--name", "fewshot", "--dry_run", "true", "--output", str(tmp_path), *arguments]
        assert run_job(StudyConfig, job.main, description="", arguments=with_preset(options)) == EXIT_DONE
        return capsys.readouterr().out

    assert "fewshot: 25 runs in" in dry_run()  # base, and ours with [QUE] and without: 2 numbers of 2 samples each
    assert "fewshot: 13 runs in" in dry_run("--samples", "[0]")
    assert "fewshot: 201 runs in" in dry_run("--scale", "paper")
    (tmp_path / "mine.yaml").write_text("scale: paper\nsamples: [0]\n")
    assert "fewshot: 41 runs in" in dry_run("--config", str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--ours", "{}"], "--ours: empty", id="nothing-pre-trained"),
        pytest.param(["--pretrain.data", "[{path: a"], "--pretrain.data [{path: a: cannot be parsed", id="no-list"),
        pytest.param(["--pretrain.optimizer.learning_rate", "0"], "learning_rate 0.0: must be above 0", id="bound"),
    ],
)
def test_problems_are_reported_before_anything_starts(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    arguments = with_preset(["--name", "main", *options])
    assert run_job(StudyConfig, job.main, description="", arguments=arguments) == EXIT_BAD_INPUT
    assert message in capsys.readouterr().err
