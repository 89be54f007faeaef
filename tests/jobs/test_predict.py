"""The predict job, from command line to output file, on Ray."""

import json
from pathlib import Path
from typing import Any

import pytest
from predict import main, summary
from tiny import TEXTS, write_encoder

from clism_core.command_line import EXIT_BAD_INPUT, EXIT_DONE, run_job
from clism_core.inference.config import PredictConfig
from clism_core.inference.predict_file import PredictionResult, plan
from clism_core.inference.predictor import load_predictor
from clism_core.inference.records import describe_row
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.registry import TASKS, TaskName


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write a tiny question answering model with random weights."""
    folder = tmp_path / "model"
    folder.mkdir()
    encoder = str(write_encoder("xlmr", tmp_path / "encoder"))
    MrcModel.begin(encoder, MrcConfig(max_length=64, stride=8, max_question_length=24), seed=0).save(folder)
    return folder


def run(model: Path, source: Path, target: Path, *options: str) -> int:
    arguments = ["--model", str(model), "--input", str(source), "--output", str(target), *options]
    return run_job(PredictConfig, main, description=None, arguments=arguments)


@pytest.mark.ray
@pytest.mark.slow
def test_answers_of_many_chunks_are_in_the_order_of_the_input(
    ray_cluster: None, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"id": number, "question": None if number == 300 else "Who?", "passage": TEXTS[number % len(TEXTS)]}
        for number in range(600)
    ]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(model, tmp_path / "x.jsonl", tmp_path / "y.jsonl", "--context_column", "passage") == EXIT_DONE
    predicted = [json.loads(line) for line in (tmp_path / "y.jsonl").read_text().splitlines()]
    assert [row["id"] for row in predicted] == [number for number in range(600) if number != 300]
    expected = load_predictor(str(model))([{"question": "Who?", "context": text} for text in TEXTS])
    assert [row["answer"] for row in predicted[:7]] == [each["answer"] for each in expected]
    assert all(row["passage"][row["start"] : row["end"]] == row["answer"] for row in predicted)
    assert json.loads((tmp_path / "y.jsonl.rejects.jsonl").read_text()) == {
        "row": 301,
        "reason": "missing",
        "column": "question",
    }
    printed = capsys.readouterr().out
    assert "Predicted 599 rows" in printed
    assert printed.count("\n  Who?  ->  ") == 3, "the first answers are shown"
    assert "Rejected 1 rows: missing (question) 1" in printed

    assert run(model, tmp_path / "x.jsonl", tmp_path / "y.jsonl", "--context_column", "passage") == EXIT_BAD_INPUT
    assert "already exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--batch_size", "0"], "--batch_size 0", id="batch-size"),
        pytest.param(["--context_column", "text"], "needs question and text", id="column"),
    ],
)
def test_bad_options_are_reported_before_a_cluster_starts(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    (tmp_path / "x.csv").write_text("question,context\nq,c\n")
    assert run(model, tmp_path / "x.csv", tmp_path / "y.csv", *options) == EXIT_BAD_INPUT
    assert message in capsys.readouterr().err
    assert not (tmp_path / "y.csv").exists()


def test_nodes_need_access_to_input_model_and_unfinished_output(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.csv").write_text("question,context\nq,c\n")
    asked: dict[str, Any] = {}
    monkeypatch.setattr("predict.connect", lambda: None)
    monkeypatch.setattr("clism_core.inference.models.check_shared", lambda **given: asked.update(given))
    monkeypatch.setattr("predict.predict", lambda _: PredictionResult(1, {}, "", []))
    assert run(model, tmp_path / "x.csv", tmp_path / "y.csv") == EXIT_DONE
    assert asked == {
        "output": str(tmp_path / "y.csv.unfinished"),
        "inputs": [str(tmp_path / "x.csv"), str(model)],
        "tracking": None,
        "wanted": {},
    }
    assert run(model, tmp_path / "x.csv", tmp_path / "y.csv", "--use_gpu", "true") == EXIT_DONE
    assert asked["wanted"] == {"GPU": 1}
    assert not (tmp_path / "y.csv").exists(), "a folder stands where the output is to be"


@pytest.mark.parametrize(
    ("row", "task", "config", "expected"),
    [
        pytest.param(
            {"q": "Who?", "context": "Ada.", "answer": "Ada", "score": 0.876, "start": 0, "end": 3},
            "mrc",
            PredictConfig(model="m", input="i", output="o", question_column="q"),
            "Who?  ->  Ada  (0.88)",
            id="answer",
        ),
        pytest.param(
            {"text": "Ada in Bonn.", "entities": [{"text": "Ada", "label": "PER"}, {"text": "Bonn", "label": "LOC"}]},
            "ner",
            PredictConfig(model="m", input="i", output="o"),
            "Ada in Bonn.  ->  Ada (PER), Bonn (LOC)",
            id="entities",
        ),
        pytest.param(
            {"words": ["Ada", "."], "entities": [{"text": "Ada", "label": "PER"}]},
            "ner",
            PredictConfig(model="m", input="i", output="o", tokens_column="words"),
            "['Ada', '.']  ->  Ada (PER)",
            id="entities-of-tokens",
        ),
        pytest.param(
            {"text": "No one.", "entities": [], "answer": "a column of the input"},
            "ner",
            PredictConfig(model="m", input="i", output="o"),
            "No one.  ->  no entities",
            id="none",
        ),
        pytest.param(
            {"question": "Who?\x1b[2J", "context": "A\rb", "answer": "A\rb", "score": 0.5, "start": 0, "end": 3},
            "mrc",
            PredictConfig(model="m", input="i", output="o"),
            "Who?\\x1b[2J  ->  A\\rb  (0.50)",
            id="escape-of-an-answer",
        ),
        pytest.param(
            {"text": "\x1b[2JNo one.", "entities": []},
            "ner",
            PredictConfig(model="m", input="i", output="o"),
            "\\x1b[2JNo one.  ->  no entities",
            id="escape",
        ),
    ],
)
def test_rows_are_shown_with_predictions(
    row: dict[str, Any], task: TaskName, config: PredictConfig, expected: str
) -> None:
    assert describe_row(row, task=TASKS[task], config=config) == expected


def test_column_names_are_printable_in_counts_of_rejects(model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("question,context\nq,c\n")
    planned = plan(PredictConfig(model=str(model), input=str(tmp_path / "x.csv"), output=str(tmp_path / "y.csv")))
    predicted = PredictionResult(1, {"unfit (\x1b[2J\ud800)": 1200}, "rejects", [])
    assert r"Rejected 1,200 rows: unfit (\x1b[2J\ud800) 1,200. They are" in summary(predicted, planned, seconds=1.0)


def test_an_encoder_is_not_a_task_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.csv").write_text("question,context\nq,c\n")
    encoder = write_encoder("bert", tmp_path / "encoder")
    assert run(encoder, tmp_path / "x.csv", tmp_path / "y.csv") == EXIT_BAD_INPUT
    assert "not a task model" in capsys.readouterr().err
