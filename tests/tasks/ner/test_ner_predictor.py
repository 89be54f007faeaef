from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TEXTS, write_encoder
from torch import Tensor

from clism_core.inference.predictor import load_predictor
from clism_core.model.precision import Precision, ResolvedName
from clism_core.tasks.ner.batches import TagBatch
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.decoding import BioDecoder
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.predictor import NerPredictor
from clism_core.tasks.ner.tagging_schemes import invalid_transitions
from clism_core.tasks.ner.windows import SentenceEncoder
from clism_core.utils.errors import InputError


@pytest.fixture(scope="module", params=["xlmr", "bert", "xlm"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NerModel:
    """Return a model that finds entities by chance, in windows of a few words."""
    folder = write_encoder(request.param, tmp_path_factory.mktemp(request.param))
    model = NerModel.begin(str(folder), NerConfig(max_length=24, stride=6), seed=2)
    with torch.no_grad():
        model.head.linear.weight.mul_(50.0)
    return model


def comparable(predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return predictions whose scores may differ by the rounding of padded batches."""
    return [
        {"entities": [{**entity, "score": pytest.approx(entity["score"], rel=1e-3)} for entity in found["entities"]]}
        for found in predictions
    ]


def test_entity_offsets_match_the_text(model: NerModel) -> None:
    texts = [*TEXTS, "  Mary\u00a0Smith,\n Paris 😀 </s> [QUE] "]
    predictions = NerPredictor(model)([{"text": text} for text in texts])
    assert len(predictions) == len(texts)
    assert all(found["entities"] for found in predictions)
    for text, found in zip(texts, predictions, strict=True):
        ends = [0]
        for entity in found["entities"]:
            assert entity.keys() == {"label", "text", "start", "end", "score"}
            assert text[entity["start"] : entity["end"]] == entity["text"] == entity["text"].strip()
            assert ends[-1] <= entity["start"] < entity["end"]
            assert entity["label"] in model.config.types
            assert 0.0 < entity["score"] <= 1.0
            ends.append(entity["end"])


def test_entities_of_tokens_match_their_tags(model: NerModel) -> None:
    tokens = TEXTS[0].split() * 3
    predictor = NerPredictor(model)
    (tags,) = predictor.tags([tokens])
    (found,) = predictor([{"tokens": tokens}])
    assert len(tags) == len(tokens)
    rebuilt = ["O"] * len(tokens)
    for entity in found["entities"]:
        assert entity["text"] == " ".join(tokens[entity["start"] : entity["end"]])
        places = range(entity["start"], entity["end"])
        for place in places:
            rebuilt[place] = f"{'B' if place == places[0] else 'I'}-{entity['label']}"
    assert rebuilt == tags


def test_each_word_is_tagged_in_its_own_window(model: NerModel) -> None:
    tokens = TEXTS[1].split() * 2
    windows = SentenceEncoder(model.tokenizer, model.config).windows(tokens)
    assert len(windows) > 1
    log_probabilities = np.zeros((len(tokens), 9))
    for window in windows:
        ids = torch.tensor([window.input_ids])
        with torch.inference_mode():
            states = model.eval().encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            scores = (states @ model.head.linear.weight.T + model.head.linear.bias).log_softmax(dim=-1)
        log_probabilities[window.words] = scores[0, window.positions].numpy()
    expected = model.labels.tags(BioDecoder(model.labels)(log_probabilities))
    assert NerPredictor(model).tags([tokens]) == [expected]


def test_tags_of_a_random_model_are_valid(model: NerModel) -> None:
    sequences = [list(text) for text in TEXTS]
    predicted = NerPredictor(model).tags(sequences)
    assert [len(tags) for tags in predicted] == [len(tokens) for tokens in sequences]
    assert not sum(invalid_transitions(tags, "IOB2") for tags in predicted)
    assert any(tag.startswith("I-") for tags in predicted for tag in tags)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_predictions_do_not_depend_on_the_batch_size(model: NerModel, batch_size: int) -> None:
    records = [{"text": text} for text in TEXTS]
    expected = [NerPredictor(model, batch_size=1)([record])[0] for record in records]
    assert NerPredictor(model, batch_size=batch_size)(records) == comparable(expected)
    assert NerPredictor(model, batch_size=batch_size)(records[::-1]) == comparable(expected[::-1])


def test_a_forward_pass_has_at_most_batch_size_inputs(model: NerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = model.logits

    def noted(batch: TagBatch) -> Tensor:
        sizes.append(len(batch.input_ids))
        return original(batch)

    monkeypatch.setattr(model, "logits", noted)
    NerPredictor(model, batch_size=2).tags([["Paris"]] * 5)
    assert sizes == [2, 2, 1]


def test_empty_records_have_no_entities(model: NerModel) -> None:
    predictor = NerPredictor(model)
    nothing: list[dict[str, Any]] = [{"text": ""}, {"text": " \n"}, {"tokens": []}]
    assert predictor(nothing) == [{"entities": []}] * 3
    assert predictor([]) == []
    assert predictor.tags([]) == []
    assert predictor.tags([[], ["Paris"], []])[::2] == [[], []]


def test_words_without_sub_words_are_tagged(model: NerModel) -> None:
    (tags,) = NerPredictor(model).tags([["\u200b", "Paris", "\u00ad"]])
    assert len(tags) == 3


def test_invalid_records_are_rejected_by_number(model: NerModel) -> None:
    predictor = NerPredictor(model)
    with pytest.raises(InputError, match="record 2: has neither text nor tokens"):
        predictor([{"text": "Paris"}, {"sentence": "Berlin"}])
    with pytest.raises(InputError, match="record 1: tokens: token 2 is empty"):
        predictor([{"tokens": ["Paris", ""]}])
    with pytest.raises(InputError, match="sequence 2: token 1 is empty"):
        predictor.tags([["Paris"], [""]])


def test_prediction_preserves_the_training_mode(model: NerModel) -> None:
    NerPredictor(model.train()).tags([["Paris"]])
    assert model.training
    NerPredictor(model.eval()).tags([["Paris"]])
    assert not model.training


def test_prediction_disables_dropout(model: NerModel) -> None:
    predictor = NerPredictor(model.train())
    records = [{"text": text} for text in TEXTS]
    assert predictor(records) == predictor(records)


def test_a_saved_model_predicts_the_same(model: NerModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    records = [{"text": text} for text in TEXTS]
    predictor = load_predictor(str(tmp_path), batch_size=8)
    assert predictor(records) == comparable(NerPredictor(model)(records))


@pytest.mark.parametrize(("precision", "autocast"), [(None, False), ("fp32", False), ("bf16", True)])
def test_prediction_uses_the_given_precision(
    model: NerModel, monkeypatch: pytest.MonkeyPatch, precision: ResolvedName | None, autocast: bool
) -> None:
    found = []
    original = model.logits

    def noted(batch: TagBatch) -> Tensor:
        found.append(torch.is_autocast_enabled("cpu"))
        return original(batch)

    monkeypatch.setattr(model, "logits", noted)
    given = precision and Precision(precision, torch.device("cpu"))
    NerPredictor(model, precision=given or None).tags([["Paris"]])
    assert found == [autocast]


def test_non_finite_logits_are_rejected(tmp_path: Path) -> None:
    broken = NerModel.begin(str(write_encoder("xlmr", tmp_path)), NerConfig(), seed=0)
    with torch.no_grad():
        broken.head.linear.weight.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="the model's logits are not finite"):
        NerPredictor(broken).tags([["Paris"]])


def test_a_batch_size_below_one_is_rejected(model: NerModel) -> None:
    with pytest.raises(InputError, match="batch_size is 0, but must be at least 1"):
        NerPredictor(model, batch_size=0)
