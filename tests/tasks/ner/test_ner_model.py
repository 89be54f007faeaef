import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tiny import write_encoder
from torch import Tensor

from clism_core.model.objective import States
from clism_core.model.trainable import freeze_unused
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.ner.batches import TagBatch, collate
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.tasks.ner.conlleval import EntityMetrics, count_entities
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.objective import Tagging
from clism_core.tasks.ner.predictor import NerPredictor
from clism_core.tasks.ner.tagger import Tagger
from clism_core.tasks.ner.windows import SentenceEncoder
from clism_core.tasks.registry import read_task
from clism_core.tasks.saved_task import write_task
from clism_core.utils.errors import InputError

KINDS = ["xlmr", "bert", "xlm"]
SENTENCES = [
    Sentence(("Mary", "Smith", "was", "born", "in", "Paris"), ("B-PER", "I-PER", "O", "O", "O", "B-LOC")),
    Sentence(("Paris", "and", "Berlin"), ("B-LOC", "O", "B-LOC")),
    Sentence(("born", "1984", "Smith", "Mary"), ("O", "O", "B-ORG", "B-PER")),
    Sentence(("lives", "in", "Berlin", "Smith"), ("O", "O", "B-MISC", "I-MISC")),
]


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def xlmr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder("xlmr", tmp_path_factory.mktemp("xlmr"))


def batch_of(model: NerModel, sentences: Sequence[Sentence]) -> TagBatch:
    encoder = SentenceEncoder(model.tokenizer, model.config)
    rows = [row for sentence in sentences for row in encoder.encode_example(sentence)[0]]
    return collate(rows, pad_id=int(model.tokenizer.pad_token_id))


def logits(model: NerModel) -> Tensor:
    with torch.inference_mode():
        return model.eval().logits(batch_of(model, SENTENCES))


def test_rows_are_padded_to_the_longest() -> None:
    rows = [{"input_ids": [5, 6, 7], "labels": [-100, 2, -100]}, {"input_ids": [8], "labels": [1]}]
    batch = collate(rows, pad_id=9)
    assert batch.input_ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.labels.tolist() == [[-100, 2, -100], [1, -100, -100]]
    assert batch.token_type_ids is None
    assert batch.n_tokens == 4
    assert batch.to("meta").labels.device.type == "meta"


def test_the_loss_is_the_sum_of_the_words_cross_entropies() -> None:
    tagger = Tagger(2, 3, dropout=0.0)
    with torch.no_grad():
        tagger.linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        tagger.linear.bias.copy_(torch.tensor([0.0, 0.0, 0.5]))
    h_BLD = torch.tensor([[[9.0, 9.0], [2.0, 1.0], [3.0, 0.0]], [[0.0, 4.0], [9.0, 9.0], [9.0, 9.0]]])
    rows = [{"input_ids": [1, 2, 3], "labels": [-100, 0, 1]}, {"input_ids": [4], "labels": [1]}]
    objective = Tagging(tagger)
    batch = collate(rows, pad_id=0)
    result = objective(States(h_BLD), batch)
    expected = (
        -math.log(math.exp(2) / (math.exp(2) + math.exp(1) + math.exp(0.5)))
        - math.log(math.exp(0) / (math.exp(3) + math.exp(0) + math.exp(0.5)))
        - math.log(math.exp(4) / (math.exp(0) + math.exp(4) + math.exp(0.5)))
    )
    assert result.loss_sum.item() == pytest.approx(expected, rel=1e-5)
    assert objective.count(batch) == 3
    assert result.metric_sums["accuracy"].item() == 2  # not that of the token with the logits 3, 0, 0.5


def test_the_loss_is_in_fp32_under_lower_precision_encoders() -> None:
    tagger = Tagger(2, 3, dropout=0.0)
    batch = collate([{"input_ids": [1], "labels": [2]}], pad_id=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = Tagging(tagger)(States(torch.ones(1, 1, 2, dtype=torch.bfloat16)), batch)
    assert result.loss_sum.dtype == torch.float32


def test_a_batch_without_words_has_a_graph() -> None:
    tagger = Tagger(2, 3, dropout=0.0)
    batch = collate([{"input_ids": [1], "labels": [-100]}], pad_id=0)
    result = Tagging(tagger)(States(torch.ones(1, 1, 2)), batch)
    result.loss_sum.backward()
    assert result.loss_sum.item() == 0.0
    assert tagger.linear.weight.grad is not None


def test_a_new_tagger_is_small_and_depends_only_on_the_seed(folder: Path) -> None:
    first, same, other = (NerModel.begin(str(folder), NerConfig(), seed=seed) for seed in (3, 3, 4))
    assert first.head.linear.weight.shape == (9, 16)
    assert torch.equal(first.head.linear.weight, same.head.linear.weight)
    assert not torch.equal(first.head.linear.weight, other.head.linear.weight)
    assert first.head.linear.weight.std().item() == pytest.approx(0.02, rel=0.3)
    assert not first.head.linear.bias.any()


@pytest.mark.parametrize(("kind", "rate"), [("xlmr", 0.0), ("bert", 0.1), ("xlm", 0.1)])
def test_the_tagger_has_the_dropout_of_the_encoder(kind: str, rate: float, tmp_path: Path) -> None:
    assert NerModel.begin(str(write_encoder(kind, tmp_path)), NerConfig(), seed=0).head.dropout.p == rate


def test_all_used_parameters_receive_gradients(folder: Path) -> None:
    model = NerModel.begin(str(folder), NerConfig(), seed=0)
    unused = freeze_unused(model, batch_of(model, SENTENCES))
    assert not [name for name in unused if "pooler" not in name and "lang_embeddings" not in name]
    assert model.head.linear.weight.requires_grad
    assert [name for name, _ in model.named_parameters() if name.startswith("head.")] == [
        "head.linear.weight",
        "head.linear.bias",
    ]


def test_a_saved_model_is_restored_exactly(folder: Path, tmp_path: Path) -> None:
    config = NerConfig(types=["PER", "LOC", "ORG", "MISC", "DATE"], max_length=20, stride=5, use_que=False)
    model = NerModel.begin(str(folder), config, seed=1)
    model.save(tmp_path)
    again = NerModel.load(tmp_path)
    assert again.config == config
    assert not again.training  # threads that share it must not find dropout on
    assert torch.equal(logits(again), logits(model))
    assert {"config.json", "model.safetensors", "tagger.safetensors", "task.json", "tokenizer_config.json"} <= {
        file.name for file in tmp_path.iterdir()
    }


def test_que_changes_the_inputs(folder: Path) -> None:
    with_que, without = (NerModel.begin(str(folder), NerConfig(use_que=use), seed=0) for use in (True, False))
    assert logits(with_que).shape[1] == logits(without).shape[1] + 1


def test_a_folder_for_another_task_is_rejected(xlmr: Path, tmp_path: Path) -> None:
    write_task(tmp_path, MrcConfig())
    with pytest.raises(InputError, match="the model is for task mrc, not ner"):
        NerModel.load(tmp_path)
    with pytest.raises(InputError, match="not a task model"):
        NerModel.load(xlmr)


def test_a_folder_without_its_tagger_is_rejected(xlmr: Path, tmp_path: Path) -> None:
    NerModel.begin(str(xlmr), NerConfig(), seed=0).save(tmp_path)
    (tmp_path / "tagger.safetensors").unlink()
    with pytest.raises(InputError, match=r"tagger\.safetensors is missing"):
        NerModel.load(tmp_path)


def test_a_tagger_for_other_labels_is_rejected(xlmr: Path, tmp_path: Path) -> None:
    NerModel.begin(str(xlmr), NerConfig(), seed=0).save(tmp_path)
    assert read_task(str(tmp_path)) == NerConfig()
    write_task(tmp_path, NerConfig(types=["PER"]))
    with pytest.raises(InputError, match="not a head of this encoder"):
        NerModel.load(tmp_path)


def test_the_model_overfits_four_sentences(xlmr: Path) -> None:
    model = NerModel.begin(str(xlmr), NerConfig(), seed=0)
    batch = batch_of(model, SENTENCES)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(60):
        optimizer.zero_grad()
        result = model.results(batch)[Tagging.name]
        (result.loss_sum / model.count(Tagging.name, batch)).backward()
        optimizer.step()
    predicted = NerPredictor(model).tags([sentence.tokens for sentence in SENTENCES])
    counts = {
        str(number): count_entities(gold=sentence.tags, predicted=tags)
        for number, (sentence, tags) in enumerate(zip(SENTENCES, predicted, strict=True))
    }
    assert EntityMetrics(sentences=counts).overall().f1 == 100.0
    assert model.training
    (found,) = NerPredictor(model)([{"text": "Mary Smith was born in Paris"}])
    assert [(entity["label"], entity["text"]) for entity in found["entities"]] == [
        ("PER", "Mary Smith"),
        ("LOC", "Paris"),
    ]
    assert all(0.5 < entity["score"] <= 1.0 for entity in found["entities"])


def test_the_tagger_has_its_own_learning_rate(xlmr: Path) -> None:
    model = NerModel.begin(str(xlmr), NerConfig(), seed=0)
    assert {id(p) for p in model.new_head_parameters()} == {id(p) for p in model.head.parameters()}
