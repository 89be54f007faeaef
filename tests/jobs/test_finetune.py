"""The finetune job, from labelled files to a registered model, on a tiny encoder."""

import json
import os
import re
import signal
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import finetune as job
import pytest
import yaml
from labelled import write_conll, write_squad
from mlflow import MlflowClient
from safetensors.torch import load_file
from tiny import write_encoder
from transformers import AutoModel, AutoTokenizer
from weights import assert_same_training

from clism_core.command_line import EXIT_BAD_INPUT, EXIT_DONE, EXIT_STOPPED, run_job
from clism_core.inference.predictor import load_predictor
from clism_core.model.resolve import resolve_model
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.ner.config import NerConfig
from clism_core.training.config import WorkersConfig, dump_config
from clism_core.training.loop import CadenceConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.home import tracking_uri

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> FinetuneConfig:
    root = tmp_path_factory.mktemp("finetune")
    return FinetuneConfig(
        task="mrc",
        model=str(write_encoder("xlmr", root / "encoder")),
        train=str(write_squad(root / "train.json", questions=40, misplaced=1)),
        dev=str(write_squad(root / "dev.json", questions=6)),
        steps=24,
        global_batch_size=8,
        length_window=4,
        mrc=MrcConfig(max_length=64, stride=8, max_question_length=24),
        ner=NerConfig(max_length=64, types=["PER", "LOC"]),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=0.1),
        loop=CadenceConfig(evaluate_every=12, checkpoint_every=8, evaluate_at=[3], log_every=4),
        workers=WorkersConfig(number=2, use_gpu=False),
    )


def start(config: FinetuneConfig, folder: Path, *arguments: str) -> int:
    """Run the job from the command line, with its configuration in a file in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(dump_config(config))
    given = ["--config", str(folder / "config.yaml"), "--output", str(folder / "out"), *arguments]
    return run_job(FinetuneConfig, job.main, description="", arguments=given)


def test_from_labelled_questions_to_a_registered_model(
    ray_cluster: None, config: FinetuneConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(config, tmp_path, f"--model={os.path.relpath(config.model)}") == EXIT_DONE
    said = capsys.readouterr().out
    assert "Fine-tuned on 39 examples" in said
    model = tmp_path / "out" / "model"
    assert sorted(path.name for path in model.iterdir()) == [
        "README.md",
        "config.json",
        "config.yaml",
        "model.safetensors",
        "span_head.safetensors",
        "task.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert yaml.safe_load((model / "config.yaml").read_text())["steps"] == 24
    assert json.loads((model / "task.json").read_text())["task"] == "mrc"
    assert "zero-shot" in (model / "README.md").read_text()
    assert AutoModel.from_pretrained(model).config.hidden_size == 16
    assert "[QUE]" in AutoTokenizer.from_pretrained(model).get_vocab()

    (registered,) = set(re.findall(r"models:/clism-mrc/\d+", said))
    assert resolve_model(registered) == resolve_model("models:/clism-mrc@candidate")
    predictor = load_predictor(resolve_model(registered))
    context = "In 1903 Tim was born in Rome. Then came peace."
    (answer,) = predictor([{"question": "Where was Tim born?", "context": context}])
    assert answer["answer"] == context[answer["start"] : answer["end"]] != ""

    client = MlflowClient(tracking_uri())
    run_id = json.loads((tmp_path / "out" / "result.json").read_text())["run_id"]
    evaluated = [metric.step for metric in client.get_metric_history(run_id, "eval/en/f1")]
    assert evaluated == [0, 3, 12, 24]
    found = client.get_run(run_id).data.metrics
    assert found["eval/en/f1"] > 50  # the dev questions are among those trained on
    assert (found["data/examples"], found["data/misplaced_answers"]) == (39, 1)
    assert found["train/mrc_loss"] < 3
    assert {file.path for file in client.list_artifacts(run_id, "plots")} == {"plots/dev.png", "plots/loss.png"}

    assert start(config, tmp_path) == EXIT_DONE  # finished work is not repeated
    assert "Fine-tuned on 39 examples" in capsys.readouterr().out
    assert start(replace(config, sample_seed=1), tmp_path) == EXIT_BAD_INPUT
    assert "another sample_seed" in capsys.readouterr().err


def test_few_shot_ner_without_que(
    ray_cluster: None, config: FinetuneConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, dev = write_conll(tmp_path / "train.conll", sentences=40), write_conll(tmp_path / "dev.conll", sentences=6)
    ner = replace(
        config,
        task="ner",
        train=[str(train)],
        dev=str(dev),
        examples=16,
        register=False,
        ner=replace(config.ner, use_que=False),
    )
    assert start(ner, tmp_path / "ner") == EXIT_DONE
    said = capsys.readouterr().out
    assert "Fine-tuned on 16 examples" in said
    assert "LOC f1" in said
    assert "models:/" not in said.partition("Next:")[0]
    folder = str(tmp_path / "ner" / "out" / "model")
    predictor = load_predictor(folder)
    (found,) = predictor([{"tokens": ["Tim", "lives", "in", "Rome", "."]}])
    assert {entity["label"] for entity in found["entities"]} <= {"PER", "LOC"}


def test_a_stopped_run_resumes_from_its_checkpoint(
    ray_cluster: None, config: FinetuneConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Resumes on another number of workers, and reaches the weights of an uninterrupted run."""
    # 16 inputs per worker, one at a time: otherwise the run may be finished before its first checkpoint is complete.
    slow = replace(config, global_batch_size=32, micro_batch_size=1)
    longer = replace(slow, register=False, export="last", loop=replace(config.loop, evaluate_every=24))
    assert start(longer, tmp_path / "undisturbed") == EXIT_DONE

    def stop_after_a_checkpoint() -> None:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            if list((tmp_path / "stopped" / "out" / "checkpoints").glob("step-*/training_state.pt")):
                os.kill(os.getpid(), signal.SIGTERM)
                return
            time.sleep(0.02)

    slower = replace(longer, loop=replace(longer.loop, checkpoint_every=3, evaluate_at=[]))
    watcher = threading.Thread(target=stop_after_a_checkpoint)
    watcher.start()
    assert start(slower, tmp_path / "stopped") == EXIT_STOPPED[signal.SIGTERM]
    watcher.join()
    assert "Stopped; the state is saved in" in capsys.readouterr().out
    assert not (tmp_path / "stopped" / "out" / "model").exists()

    alone = asdict(slower.workers) | {"number": 1}
    assert start(replace(slower, workers=WorkersConfig(**alone)), tmp_path / "stopped") == EXIT_DONE
    undisturbed, resumed = (
        load_file(tmp_path / name / "out" / "model" / "model.safetensors") for name in ("undisturbed", "stopped")
    )
    assert_same_training(resumed, undisturbed)
