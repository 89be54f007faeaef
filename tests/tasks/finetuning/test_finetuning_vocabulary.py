"""Fine-tuning with the embeddings of the data's tokens only, beside that with all of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
import torch
from tiny import TEXTS, write_encoder

from clism_core.model.encoder import embedding_weight
from clism_core.model.trained_vocabulary import template_tokens
from clism_core.model.trained_weights import complete_model, save_trained_weights
from clism_core.tasks.finetuning import trained_tokens
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.trained_tokens import tokens_of
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.tasks.mrc.task import MRC
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.tasks.ner.task import NER
from clism_core.tasks.registry import AnyTask
from clism_core.tasks.task import Task
from clism_core.training.data.used_tokens import used_in_table
from clism_core.training.optimizer import OptimizerConfig, build_optimizer

PASSAGE = TEXTS[0]
TRAIN: dict[str, list[Any]] = {
    "mrc": [Question(name, name, PASSAGE, (Answer(name, PASSAGE.index(name)),)) for name in ("Mary Smith", "Paris")],
    "ner": [Sentence(tuple(PASSAGE.split()), ("B-PER", "I-PER", *["O"] * (len(PASSAGE.split()) - 2)))],
}
DEV: dict[str, list[Any]] = {
    "mrc": [Question("dev", "Wer?", TEXTS[1] * 3, (Answer("Mary", 0),))],
    "ner": [Sentence(tuple(TEXTS[1].split() * 3), ("O",) * 3 * len(TEXTS[1].split()))],
}
OPTIONS = {"mrc": MrcConfig(max_length=60, stride=12, max_question_length=16), "ner": NerConfig(max_length=24)}


@pytest.fixture(scope="module", params=["xlmr", "bert", "xlm"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_encoder(request.param, tmp_path_factory.mktemp(request.param)))


def begin(task: AnyTask, folder: str) -> Any:
    return task.model.begin(folder, OPTIONS[task.name], seed=0)


def needed(task: AnyTask, model: Any) -> torch.Tensor:
    """Tokens of the training inputs, those of the development inputs, and special ones."""
    encode = task.encoder(model.tokenizer, model.config)
    inputs = task.development_inputs(model.tokenizer, model.config)
    assert inputs is not None
    rows = [row["input_ids"] for each in TRAIN[task.name] for row in encode(each)[0]]
    special = template_tokens(model.tokenizer, model.encoder)
    return torch.tensor(sorted({*np.concatenate(rows), *tokens_of(inputs, DEV[task.name]), *special}))


def train(task: AnyTask, model: Any, *, weight_decay: float) -> list[float]:
    encode = task.encoder(model.tokenizer, model.config)
    batch = task.collator(model.tokenizer)([row for each in TRAIN[task.name] for row in encode(each)[0]])
    optimizer, _ = build_optimizer(
        model, OptimizerConfig(learning_rate=1e-2, warmup_steps=0, weight_decay=weight_decay), 100
    )
    losses = []
    model.eval()  # dropout would draw the same for both, but in another order for other shapes
    for _ in range(4):
        optimizer.zero_grad(set_to_none=True)
        (result,) = model(batch).values()
        result.loss_sum.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(result.loss_sum.item())
    return losses


@pytest.mark.parametrize("task", [MRC, NER], ids=["mrc", "ner"])
def test_weights_are_those_of_training_all_embeddings(task: AnyTask, folder: str, tmp_path: Path) -> None:
    full, restricted = begin(task, folder), begin(task, folder)
    before = embedding_weight(full.encoder).detach().clone()
    kept = needed(task, restricted)
    restricted.restrict_vocabulary(kept)
    assert len(embedding_weight(restricted.encoder)) == len(kept) < len(before)
    expected = train(task, full, weight_decay=0.0)
    assert train(task, restricted, weight_decay=0.0) == pytest.approx(expected, abs=1e-5)
    assert expected[-1] < expected[0]
    save_trained_weights(restricted, tmp_path / "model")
    completed = begin(task, folder)
    complete_model(completed, tmp_path / "model")
    torch.testing.assert_close(dict(completed.named_parameters()), dict(full.named_parameters()), rtol=0, atol=1e-5)
    others = torch.ones(len(before), dtype=torch.bool)
    others[kept] = False
    assert torch.equal(embedding_weight(completed.encoder)[others], before[others])
    saved = task.model.load(tmp_path / "model")
    assert torch.equal(embedding_weight(saved.encoder), embedding_weight(completed.encoder))


@pytest.mark.parametrize("task", [MRC, NER], ids=["mrc", "ner"])
def test_development_data_is_predicted_alike(task: AnyTask, folder: str) -> None:
    full, restricted = begin(task, folder), begin(task, folder)
    restricted.restrict_vocabulary(needed(task, restricted))
    records = task.development_set(DEV[task.name], "de").records()
    expected, found = (task.predictor(model, batch_size=2).outputs(records)[0] for model in (full, restricted))
    assert found == expected


@pytest.mark.parametrize("task", [MRC, NER], ids=["mrc", "ner"])
def test_the_tokens_of_training_and_development_data_are_chosen(
    task: AnyTask, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = begin(task, folder)
    encode = task.encoder(model.tokenizer, model.config)
    rows = pa.table({"input_ids": [row["input_ids"] for each in TRAIN[task.name] for row in encode(each)[0]]})
    monkeypatch.setattr(trained_tokens, "find_used_tokens", used_in_table)  # without Ray, as they do on a cluster
    monkeypatch.setattr(trained_tokens, "find_tokens_of_examples", tokens_of_examples)
    found = trained_tokens.choose_trained_tokens(config_of(task), model, rows, DEV[task.name])
    assert found is not None
    assert found.tolist() == needed(task, model).tolist()


def tokens_of_examples(inputs: Any, examples: Any, *, size: int) -> Any:
    used = np.zeros(size, dtype=np.bool_)
    used[tokens_of(inputs, examples)] = True
    return used


def config_of(task: AnyTask) -> FinetuneConfig:
    given: Any = {task.name: OPTIONS[task.name]}
    return FinetuneConfig(task=task.name, model="m", train="t", dev="d", **given)


def test_the_whole_vocabulary_is_trained_on_request_and_where_its_parts_are_unknown(
    folder: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    model, rows, config = begin(MRC, folder), cast("Any", None), config_of(MRC)
    assert trained_tokens.choose_trained_tokens(replace(config, trained_vocabulary="full"), model, rows, []) is None
    assert not caplog.text
    with monkeypatch.context() as patch:
        patch.setattr(type(model), "vocabulary_problem", lambda _: "its embeddings are odd")
        assert trained_tokens.choose_trained_tokens(config, model, rows, []) is None
    assert "the whole vocabulary is trained: its embeddings are odd" in caplog.text
    monkeypatch.setattr(type(MRC), "development_inputs", Task.development_inputs)
    assert trained_tokens.choose_trained_tokens(config, model, rows, []) is None
    assert "the whole vocabulary is trained: mrc does not know its inputs" in caplog.text
