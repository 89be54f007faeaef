"""What `make demo` does after its pre-training, with its own arguments, at a small size."""

import json
import shlex
import subprocess
from pathlib import Path

import evaluate
import finetune
import predict
import pytest
from tiny import write_encoder

from clism_core.command_line import EXIT_DONE, run_job
from clism_core.demo.questions import TEST_PAIRS
from clism_core.evaluation.config import EvaluateConfig
from clism_core.inference.config import PredictConfig

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]


def arguments_of_make(target: str, *, demo: Path) -> dict[str, list[str]]:
    """Return the arguments of each job that `make target` runs, by the job's name."""
    said = subprocess.run(
        ["make", "--dry-run", "--always-make", target, f"DEMO={demo}"], cwd=ROOT, check=True, capture_output=True
    ).stdout.decode()
    commands = (shlex.split(line) for line in said.replace("\\\n", " ").splitlines() if "/python jobs/" in line)
    return {Path(script).stem: arguments for _, script, *arguments in commands}


def test_fine_tuning_evaluation_and_three_answers(
    ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    demo = tmp_path / "demo"
    given = arguments_of_make("demo", demo=demo)
    assert list(given) == ["pretrain", "finetune", "evaluate", "predict"]
    assert given["pretrain"] == []
    encoder = str(write_encoder("xlmr", tmp_path / "encoder"))
    sizes = ["--demo.train=16", "--demo.dev=4", "--demo.test=4", "--demo.known_names_test=6"]
    few = [
        "--mrc.max_length=128",
        "--steps=2",
        "--global_batch_size=4",
        "--loop.evaluate_every=2",
        "--loop.checkpoint_every=2",
    ]
    arguments = [*given["finetune"], f"--model={encoder}", *sizes, *few]
    assert run_job(finetune.FinetuneJobConfig, finetune.main, description="", arguments=arguments) == EXIT_DONE
    assert "models:/clism-mrc/" in capsys.readouterr().out
    arguments = [*given["evaluate"], "--resamples=100"]
    assert run_job(EvaluateConfig, evaluate.main, description="", arguments=arguments) == EXIT_DONE
    languages = {passage if passage == question else f"{passage}-{question}" for passage, question in TEST_PAIRS}
    for dataset in ("known-names", "new-names"):
        predictions = (demo / "evaluation" / "predictions" / dataset).iterdir()
        assert {path.stem for path in predictions} == languages
    assert run_job(PredictConfig, predict.main, description="", arguments=given["predict"]) == EXIT_DONE
    rows = [json.loads(line) for line in (demo / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 3
    said = capsys.readouterr().out
    assert all(f"{row['question']}  ->  {row['answer']}  (" in said for row in rows)
