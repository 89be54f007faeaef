"""A third task in one piece and registered in one line, as in docs/extending.md: from files to a scored model."""

import json
import math
from collections.abc import Mapping
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from guide import load_example
from tiny import write_encoder

from clism_core.evaluation.datasets import read_test_sets
from clism_core.inference.chunks import Layout, predict_chunk
from clism_core.inference.config import PredictConfig
from clism_core.inference.models import find_model
from clism_core.inference.predictor import load_predictor
from clism_core.inference.records import describe_row
from clism_core.inference.row_readers import read_chunks
from clism_core.model.tokenizer import load_tokenizer
from clism_core.tasks.finetuning.config import FinetuneConfig, check_config
from clism_core.tasks.finetuning.data import load_data
from clism_core.tasks.finetuning.recipe import FinetuningRecipe
from clism_core.tasks.registration import signature
from clism_core.tasks.registry import TASKS, TaskOptions
from clism_core.tasks.test_data import TestSetConfig


@pytest.fixture(autouse=True)
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = load_example("Add a task")
    monkeypatch.setitem(TASKS, "intent", module.INTENT)
    return module


def options(example: Any, **fields: Any) -> FinetuneConfig:
    """Return a configuration that has the new task's options, too."""
    group = ("intent", example.IntentConfig, field(default_factory=example.IntentConfig))
    found: FinetuneConfig = make_dataclass("Options", [group], bases=(FinetuneConfig,))(task="intent", **fields)
    return found


SENTENCES = {
    "Where was Mary Smith born": "ASK",
    "Mary lives in Berlin": "TELL",
    "Where is Paris": "ASK",
    "in 1984": "TELL",
}


def write_intents(path: Path, intents: Mapping[str, str]) -> str:
    path.write_text("".join(f"{text}\tB-{intent}\n\n" for text, intent in intents.items()))
    return str(path)


def test_a_new_task_from_files_to_scores(example: Any, tmp_path: Path) -> None:
    file = write_intents(tmp_path / "intents.en.conll", SENTENCES)
    encoder = str(write_encoder("xlmr", tmp_path / "encoder"))
    config = options(example, model=encoder, train=file, dev=file)
    check_config(config)
    data = load_data(config)
    assert data.counts == {
        "data/examples": 4,
        "data/dev_examples": 4,
        "data/dev_examples_in_train": 4,
        "data/repaired_tags": 0,
    }
    reference: Any = None  # of the development data, in Ray's store
    encode = example.INTENT.encoder(load_tokenizer(encoder), config.task_options)
    rows = [row for each in data.train for row in encode(each)[0]]
    recipe = FinetuningRecipe(config, reference, rows[:2])
    assert recipe.weights == {"tagging": 1.0}
    model = recipe.load_model(encoder)
    batch = recipe.batch_builder(model)([[row] for row in rows])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        result: Any = model(batch)["tagging"]
        optimizer.zero_grad()
        result.loss_sum.backward()
        optimizer.step()
        losses.append(result.loss_sum.item())
    assert losses[0] == pytest.approx(4 * math.log(2), rel=0.1)  # a head that starts small knows nothing
    assert losses[-1] < 0.1
    (tmp_path / "model").mkdir()
    model.save(tmp_path / "model")

    predictor = load_predictor(str(tmp_path / "model"))
    assert predictor([{"text": text} for text in SENTENCES]) == [{"intent": intent} for intent in SENTENCES.values()]
    wrong_once = write_intents(tmp_path / "wrong.en.conll", {**SENTENCES, "in 1984": "ASK"})
    found = find_model(str(tmp_path / "model"))
    for path, f1 in ((file, 100.0), (wrong_once, 75.0)):
        (test_set,) = read_test_sets([TestSetConfig("intents", path)], found.task)
        outputs = predictor.outputs(test_set.records()).results
        assert test_set.score(test_set.predictions(outputs)).summary["f1"] == f1


def test_a_new_task_predicts_files(example: Any, tmp_path: Path) -> None:
    model = example.IntentModel.begin(
        str(write_encoder("xlmr", tmp_path / "encoder")), example.IntentConfig(), seed=0
    ).eval()
    (tmp_path / "x.jsonl").write_text('{"text": "Where is Paris"}\n{"words": "no text"}\n')
    config = PredictConfig(model="m", input=str(tmp_path / "x.jsonl"), output="y.jsonl")
    layout = Layout("intent", "jsonl", "jsonl", ["text", "intent"], None)
    (chunk,) = read_chunks(config.input)
    done = predict_chunk(chunk, predictor=example.IntentPredictor(model), layout=layout, config=config)
    row = json.loads(done.content)
    assert row.keys() == {"text", "intent"}
    assert done.reasons == '{"missing (text)": 1}'
    assert describe_row({**row, "intent": "ASK"}, task=example.INTENT, config=config) == "Where is Paris  ->  ASK"


def test_a_new_task_has_a_signature(example: Any) -> None:
    found = signature(example.INTENT)
    assert found.inputs.to_dict() == [{"type": "any", "name": "text", "required": True}]
    assert found.outputs.to_dict() == [{"type": "string", "name": "intent", "required": True}]
    assert example.INTENT.registered_name == "clism-intent"


def test_options_are_named_as_their_tasks() -> None:
    assert {name: task.name for name, task in TASKS.items() if name != "intent"} == {"mrc": "mrc", "ner": "ner"}
    defaults = TaskOptions()
    assert all(isinstance(getattr(defaults, name), TASKS[name].config_class) for name in ("mrc", "ner"))


def test_a_new_task_predicts_in_batches_in_evaluation_mode(example: Any, tmp_path: Path) -> None:
    encoder = str(write_encoder("xlmr", tmp_path / "encoder"))
    model = example.IntentModel.begin(encoder, example.IntentConfig(), seed=0).train()
    passes: list[tuple[int, bool, bool]] = []
    model.head.register_forward_hook(
        lambda _head, _inputs, logits: passes.append((len(logits), model.training, torch.is_inference_mode_enabled()))
    )
    example.IntentPredictor(model, batch_size=3)([{"text": text} for text in SENTENCES])
    assert sorted(passes) == [(1, False, True), (3, False, True)]
    assert model.training
