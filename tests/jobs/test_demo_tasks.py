"""The demo job: its commands, run at a small size, and its exit."""

import json
import signal
import subprocess
from pathlib import Path

import demo as job
import evaluate
import finetune
import predict
import pytest
import report
from markupsafe import escape
from report import ReportConfig
from tiny import write_encoder

from clism_core import cli, command_line
from clism_core.command_line import EXIT_BAD_INPUT, EXIT_DONE, EXIT_STOPPED, run_job
from clism_core.demo.build import DemoConfig, write_demo
from clism_core.demo.questions import TEST_PAIRS, DemoQuestionsConfig
from clism_core.demo.summary import answers_text
from clism_core.evaluation.config import EvaluateConfig
from clism_core.inference.config import PredictConfig
from clism_core.model.notice import NOTICE
from clism_core.tasks.finetuning.config import FinetuneConfig

SMALL = DemoConfig(questions=DemoQuestionsConfig(train=16, dev=4, test=4, known_names_test=6))
JOBS = ("pretrain", "finetune", "evaluate", "predict", "report")
SCRIPT = """
import pathlib, sys
pathlib.Path(__file__).with_suffix(".txt").write_text(" ".join(sys.argv[1:]))
sys.exit({status})
"""
PREDICT_SCRIPT = """
import pathlib, sys
answers = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
answers.parent.mkdir(parents=True)
answers.write_text('{"question": "Who?", "answer": "Ann", "expected": "Ann"}')
"""


@pytest.mark.ray
@pytest.mark.slow
def test_fine_tuning_evaluation_and_six_answers(
    ray_cluster: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "demo", tmp_path / "outputs"
    write_demo(SMALL, folder, ["questions"])
    given = job.commands(folder, output)
    encoder = str(write_encoder("xlmr", tmp_path / "encoder"))
    settings = tmp_path / "encoder" / "config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {NOTICE: "Only a test."}))
    few = [
        "--mrc.max_length=128",
        "--steps=2",
        "--global_batch_size=4",
        "--loop.evaluate_every=2",
        "--loop.checkpoint_every=2",
    ]
    arguments = [*given["finetune"], f"--model={encoder}", *few]
    assert run_job(FinetuneConfig, finetune.main, description="", arguments=arguments) == EXIT_DONE
    said = capsys.readouterr().out
    assert "models:/clism-mrc/" in said
    assert "**Only a test.**\n\n|" in said
    assert "**Only a test.**\n\n|" in (output / "finetune" / "model" / "README.md").read_text()
    arguments = [*given["evaluate"], "--resamples=100"]
    assert run_job(EvaluateConfig, evaluate.main, description="", arguments=arguments) == EXIT_DONE
    languages = {passage if passage == question else f"{passage}-{question}" for passage, question in TEST_PAIRS}
    assert (output / "evaluate" / "table.md").read_text().startswith("**Only a test.**\n\n### ")
    for dataset in ("known-names", "new-names"):
        predictions = (output / "evaluate" / "predictions" / dataset).iterdir()
        assert {path.stem for path in predictions} == languages
    assert run_job(PredictConfig, predict.main, description="", arguments=given["predict"]) == EXIT_DONE
    rows = [json.loads(line) for line in (output / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 6
    said = capsys.readouterr().out
    assert all(f"{row['question']}  ->  {row['answer']}  (" in said for row in rows[:3])
    assert answers_text(output / "answers.jsonl").startswith("Answers to 6 questions about new names")
    assert run_job(ReportConfig, report.main, description="", arguments=given["report"]) == EXIT_DONE
    page = (output / "demo.html").read_text(encoding="utf-8")
    assert page.count('<section class="step"') == 2  # the encoder has no run
    assert all(escape(row["question"]) in page for row in rows)


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stubs in place of the jobs, which record their arguments; the inputs are not written."""
    for name in JOBS:
        (tmp_path / f"{name}.py").write_text(SCRIPT.format(status=0))
    (tmp_path / "predict.py").write_text(PREDICT_SCRIPT + SCRIPT.format(status=0))
    monkeypatch.setattr(command_line, "JOBS", tmp_path)
    monkeypatch.setattr(job, "connect", lambda: None)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    monkeypatch.setattr(job, "write_demo", lambda _config, folder: folder.mkdir(parents=True, exist_ok=True))
    return tmp_path


def test_the_jobs_run_in_order_on_the_written_inputs(
    scripts: Path, home_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job.main(DemoConfig())
    given = {name: (scripts / f"{name}.txt").read_text() for name in JOBS}
    assert f"--data {home_folder}/demo/prepared" in given["pretrain"]
    assert f"--train {home_folder}/demo/questions/train.json" in given["finetune"]
    assert "--model models:/clism-mrc@candidate" in given["evaluate"]
    assert f"--input {home_folder}/demo/questions/examples.jsonl" in given["predict"]
    said = capsys.readouterr().out.splitlines()
    commands = [line for line in said if line.startswith("$ ")]
    assert [line.split("jobs/")[1].split(".py")[0] for line in commands] == list(given)
    assert "  Who?  ->  Ann  (right)" in said
    assert [line.split()[0] for line in said[-1 - len(JOBS) :]] == ["inputs", *given]


def test_a_failed_job_ends_the_demo(scripts: Path, home_folder: Path) -> None:
    (scripts / "finetune.py").write_text(SCRIPT.format(status=EXIT_BAD_INPUT))
    with pytest.raises(SystemExit) as ended:
        job.main(DemoConfig())
    assert ended.value.code == EXIT_BAD_INPUT
    assert {path.stem for path in scripts.glob("*.txt")} == {"pretrain", "finetune"}


def test_jobs_do_not_get_the_variables_of_the_demos_own_connection(
    scripts: Path, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_BACKEND_LOG_LEVEL", raising=False)
    monkeypatch.setattr(job, "connect", lambda: monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal"))
    (scripts / "pretrain.py").write_text("import os, sys; sys.exit(3 if 'RAY_BACKEND_LOG_LEVEL' in os.environ else 4)")
    with pytest.raises(SystemExit) as ended:
        job.main(DemoConfig())
    assert ended.value.code == 4


def test_a_job_that_fails_after_a_stop_request_ends_the_demo_with_its_status(scripts: Path, home_folder: Path) -> None:
    (scripts / "pretrain.py").write_text("""
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
os.kill(os.getppid(), signal.SIGTERM)
signal.pause()
""")
    with pytest.raises(SystemExit) as ended:
        job.main(DemoConfig())
    assert ended.value.code == 5


def test_a_killed_job_ends_the_demo_with_the_status_of_a_shell(scripts: Path, home_folder: Path) -> None:
    (scripts / "pretrain.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(SystemExit) as ended:
        job.main(DemoConfig())
    assert ended.value.code == 137


def test_jobs_of_clism_demo_are_called_by_clism(tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("raise ImportError")  # the working folder must not be searched for modules
    token = cli.CALLED_JOB.set("demo")
    try:
        command = command_line.job_process("promote")
    finally:
        cli.CALLED_JOB.reset(token)
    done = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: clism promote ")


def test_a_stop_request_reaches_the_job_and_ends_the_demo(scripts: Path, home_folder: Path) -> None:
    (scripts / "pretrain.py").write_text("""
import os, pathlib, signal, sys
def stop(*_):
    pathlib.Path(__file__).with_suffix(".txt").write_text("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
os.kill(os.getppid(), signal.SIGTERM)
signal.pause()
""")
    with pytest.raises(SystemExit) as ended:
        job.main(DemoConfig())
    assert ended.value.code == EXIT_STOPPED[signal.SIGTERM]
    assert [path.name for path in scripts.glob("*.txt")] == ["pretrain.txt"]
    assert (scripts / "pretrain.txt").read_text() == "stopped"


def test_run_jobs_false_only_writes_inputs(scripts: Path, home_folder: Path) -> None:
    job.main(DemoConfig(run_jobs=False))
    assert (home_folder / "demo").is_dir()
    assert not list(scripts.glob("*.txt"))
