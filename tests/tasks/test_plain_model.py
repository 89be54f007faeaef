"""Task models that transformers loads by its own classes: all weights are there, and logits are the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import write_encoder
from torch import Tensor
from transformers import (
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForTokenClassification,
    AutoTokenizer,
    EuroBertConfig,
    EuroBertModel,
    pipeline,
)

from clism_core.model.encoder import encode, inspect_encoder, inspect_plain_encoder, load_plain_encoder
from clism_core.tasks.mrc.batches import InputFormat
from clism_core.tasks.mrc.batches import collate as collate_questions
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.windows import QuestionEncoder
from clism_core.tasks.ner.batches import collate
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.predictor import NerPredictor
from clism_core.tasks.ner.windows import SentenceEncoder
from clism_core.tasks.plain_model import plain_model

WORDS = ["Mary", "Smith", "lives", "in", "Berlin"]
KINDS = ["xlmr", "bert", "xlm"]


@pytest.fixture(scope="module", params=KINDS)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(request.param, tmp_path_factory.mktemp(request.param))


def load_plain(auto_class: Any, folder: Path) -> Any:
    """Load a model as users of transformers do; its weights are those of the folder, but for an encoder's pooler."""
    model, info = auto_class.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    assert [
        name for found in info.values() for name in found if auto_class is not AutoModel or "pooler" not in name
    ] == []
    return model.eval()


def save(model: Any, folder: Path) -> Any:
    """Save a task model whose head is far from its small initial weights; return it in evaluation mode."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.head.parameters():
            weight.normal_()
    model.save(folder)
    return model.eval()


def text_tokens(tokenizer: Any, *texts: str) -> dict[str, Tensor]:
    return dict(tokenizer(*texts, return_tensors="pt"))


@pytest.mark.parametrize("use_que", [True, False], ids=["que", "without"])
@torch.inference_mode()
def test_a_tagger_is_a_token_classifier_of_transformers(encoder: Path, use_que: bool, tmp_path: Path) -> None:
    ours = save(NerModel.begin(str(encoder), NerConfig(use_que=use_que, types=["PER", "LOC"]), seed=0), tmp_path)
    plain = load_plain(AutoModelForTokenClassification, tmp_path)
    assert plain.config.id2label == {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
    assert plain.config.label2id["I-LOC"] == 4
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    (window,) = SentenceEncoder(ours.tokenizer, ours.config).windows(WORDS)
    batch = collate([{"input_ids": window.input_ids, "labels": []}], pad_id=int(ours.tokenizer.pad_token_id))
    given = text_tokens(tokenizer, " ".join(WORDS) + "[QUE]" * use_que)
    assert given["input_ids"].tolist() == [window.input_ids]  # as docs/tasks.md says, [QUE] without a space
    torch.testing.assert_close(plain(**given).logits, ours.logits(batch))


def test_the_pipeline_of_transformers_finds_the_labels_of_words(tmp_path: Path) -> None:
    encoder = write_encoder("xlmr", tmp_path / "encoder")
    model = NerModel.begin(str(encoder), NerConfig(use_que=False), seed=0)
    predictor = NerPredictor(model)
    (window,) = predictor._encoder.windows(WORDS)
    save(model, tmp_path / "random")
    with torch.no_grad():  # so that the labels differ
        batch = collate([{"input_ids": window.input_ids, "labels": []}], pad_id=int(model.tokenizer.pad_token_id))
        model.head.linear.bias.sub_(model.logits(batch)[0].mean(dim=0))
    model.save(tmp_path / "model")
    load: Any = pipeline
    found = load("ner", model=str(tmp_path / "model"), device="cpu", ignore_labels=[])(" ".join(WORDS))
    (log_probabilities,) = predictor._log_probabilities([window])
    by_position = {each["index"]: each for each in found}
    first = [by_position[position] for position in window.positions]
    best = log_probabilities.argmax(axis=-1)
    assert [each["entity"] for each in first] == model.labels.tags(best.tolist())
    assert len(set(best.tolist())) > 1
    assert [float(each["score"]) for each in first] == pytest.approx(np.exp(log_probabilities.max(axis=-1)).tolist())


@torch.inference_mode()
def test_a_linear_span_head_is_a_question_answering_model_of_transformers(encoder: Path, tmp_path: Path) -> None:
    config = MrcConfig(use_que=False, max_length=100, stride=8, max_question_length=40)
    ours = save(MrcModel.begin(str(encoder), config, seed=0), tmp_path)
    plain = load_plain(AutoModelForQuestionAnswering, tmp_path)
    assert plain.config.num_labels == 2
    question, context = "Where does Mary live ?", "Mary Smith lives in Berlin"
    (window,) = QuestionEncoder(ours.tokenizer, config)(question, context).windows
    batch = collate_questions([window.row()], InputFormat.of(ours.tokenizer))
    given = text_tokens(AutoTokenizer.from_pretrained(tmp_path), question, context)
    assert given["input_ids"].tolist() == [window.input_ids]
    found, logits = plain(**given), ours.logits(batch)
    passage = batch.passage_mask
    for one, other in ((found.start_logits, logits.start_BKL), (found.end_logits, logits.end_BKL)):
        torch.testing.assert_close(one[passage], other.squeeze(1)[passage])
        assert torch.isinf(other.squeeze(1)[~passage]).all()


def test_a_span_head_with_que_leaves_the_folder_an_encoder(encoder: Path, tmp_path: Path) -> None:
    ours = save(MrcModel.begin(str(encoder), MrcConfig(), seed=0), tmp_path)
    plain = load_plain(AutoModel, tmp_path)
    assert plain.config.architectures == [type(ours.encoder).__name__]


@pytest.mark.parametrize("use_que", [True, False], ids=["que", "without"])
def test_an_exported_model_is_loaded_again_and_fine_tuned_further(encoder: Path, use_que: bool, tmp_path: Path) -> None:
    first = save(NerModel.begin(str(encoder), NerConfig(use_que=use_que), seed=0), tmp_path / "first")
    again = NerModel.load(tmp_path / "first")
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert "id2label" not in first.encoder.config.to_diff_dict()
    NerModel.load(tmp_path / "first", load_encoder=inspect_encoder)
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        states, plain_states = (
            encode(each.eval(), ids, torch.ones_like(ids), None)
            for each in (first.encoder, load_plain_encoder(str(tmp_path / "first"))[0])
        )
    torch.testing.assert_close(plain_states, states)
    assert all(weight.is_meta for weight in inspect_plain_encoder(str(tmp_path / "first"))[0].parameters())
    further = MrcModel.begin(str(tmp_path / "first"), MrcConfig(use_que=False), seed=0)
    further.save(tmp_path / "second")
    assert load_plain(AutoModelForQuestionAnswering, tmp_path / "second").config.id2label == {0: "start", 1: "end"}


def test_an_architecture_without_the_class_has_no_plain_model() -> None:
    config = EuroBertConfig(
        vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, pad_token_id=0, bos_token_id=1, eos_token_id=2, mask_token_id=3
    )  # fmt: skip
    head = torch.nn.Linear(8, 2)
    assert plain_model(MODEL_FOR_QUESTION_ANSWERING_MAPPING, EuroBertModel(config), head, ["start", "end"]) is None
