import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TEXTS, write_encoder

from clism_core.inference.predictor import load_predictor
from clism_core.model.span_head import SpanLogits
from clism_core.model.tokenizer import TextTokenizer
from clism_core.tasks.mrc.batches import QuestionBatch
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.decoding import Candidates
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.predictor import MrcPredictor
from clism_core.tasks.mrc.windows import Window, covering_span
from clism_core.utils.errors import InputError

KINDS = ["xlmr", "bert", "xlm"]
SMALL = MrcConfig(max_length=60, stride=12, max_question_length=16, max_answer_length=10)


@pytest.fixture(scope="module", params=KINDS)
def predictor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MrcPredictor:
    folder = write_encoder(request.param, tmp_path_factory.mktemp(request.param))
    return MrcPredictor(MrcModel.begin(str(folder), SMALL, seed=0), batch_size=4)


def records_of_all_scripts() -> list[dict[str, Any]]:
    return [
        {"question": "Where?", "context": text * (1 + number % 3), "id": number} for number, text in enumerate(TEXTS)
    ]


def point_at(monkeypatch: pytest.MonkeyPatch, predictor: MrcPredictor, context: str, answer: str) -> None:
    """Make the model prefer the first and the last token of `answer`, wherever they stand."""
    tokenized = TextTokenizer(predictor.model.tokenizer)(context)
    place = context.index(answer)
    span = covering_span(tokenized.offsets, place, place + len(answer))
    assert span is not None

    def logits(batch: QuestionBatch) -> SpanLogits:
        scores = [
            (batch.input_ids == tokenized.ids[token]).float().masked_fill(~batch.passage_mask, -torch.inf) * 9.0
            for token in (span.start, span.end - 1)
        ]
        return SpanLogits(scores[0].unsqueeze(1), scores[1].unsqueeze(1))

    monkeypatch.setattr(predictor.model, "logits", logits)


def test_answers_are_the_characters_at_their_offsets(predictor: MrcPredictor) -> None:
    records = records_of_all_scripts()
    predictions = predictor(records, n_best=5)
    assert len(predictions) == len(records)
    for record, prediction in zip(records, predictions, strict=True):
        assert {key: prediction[key] for key in ("answer", "score", "start", "end")} == prediction["n_best"][0]
        assert 1 <= len(prediction["n_best"]) <= 5
        ranges = [(found["start"], found["end"]) for found in prediction["n_best"]]
        assert len(set(ranges)) == len(ranges)
        for found in prediction["n_best"]:
            assert found["answer"] == record["context"][found["start"] : found["end"]] != ""
            assert found["answer"] == found["answer"].strip()
        scores = [found["score"] for found in prediction["n_best"]]
        assert scores == sorted(scores, reverse=True)
        assert 0 < sum(scores) <= 1 + 1e-9


def test_a_single_answer_is_the_first_of_the_n_best(predictor: MrcPredictor) -> None:
    records = records_of_all_scripts()
    alone, many = predictor(records), predictor(records, n_best=20)
    assert alone == [{k: v for k, v in prediction.items() if k != "n_best"} for prediction in many]
    assert all(set(prediction) == {"answer", "score", "start", "end"} for prediction in alone)


def test_an_answer_in_the_last_window_is_found(predictor: MrcPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    context = "born in Paris and lives in Paris " * 20 + "1984"
    assert len(predictor.encoder("Where?", context).windows) > 3
    point_at(monkeypatch, predictor, context, "1984")
    (prediction,) = predictor([{"question": "Where?", "context": context}])
    assert prediction["answer"] == "1984"
    assert prediction["start"] == context.index("1984")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param(TEXTS[0], "1984", id="en"),
        pytest.param(TEXTS[2], "باريس", id="ar"),
        pytest.param(TEXTS[3], "पेरिस", id="hi"),
        pytest.param("😀 👩‍👩‍👧 Paris 🇩🇪", "Paris", id="emoji"),
    ],
)
def test_offsets_count_code_points(
    predictor: MrcPredictor, monkeypatch: pytest.MonkeyPatch, text: str, answer: str
) -> None:
    point_at(monkeypatch, predictor, text, answer)
    (prediction,) = predictor([{"question": "?", "context": text}])
    assert prediction["answer"] == answer
    assert text[prediction["start"] : prediction["end"]] == answer


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_predictions_do_not_depend_on_order_or_batch_size(predictor: MrcPredictor, batch_size: int) -> None:
    records = records_of_all_scripts()
    expected = predictor(records, n_best=3)
    found = MrcPredictor(predictor.model, batch_size=batch_size)(records[::-1], n_best=3)[::-1]
    for left, right in zip(found, expected, strict=True):
        assert [answer["answer"] for answer in left["n_best"]] == [answer["answer"] for answer in right["n_best"]]
        scores = [[answer["score"] for answer in side["n_best"]] for side in (left, right)]
        assert scores[0] == pytest.approx(scores[1], rel=1e-4)


def test_records_are_predicted_in_parts(
    predictor: MrcPredictor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    records = [*records_of_all_scripts(), {"question": "Where was she born " * 20, "context": "Paris"}]
    expected = predictor(records)
    calls = []

    def candidates(windows: Sequence[Window]) -> list[Candidates]:
        calls.append(windows)
        return MrcPredictor._candidates(predictor, windows)

    monkeypatch.setattr("clism_core.tasks.mrc.predictor.RECORDS_AT_ONCE", 3)
    monkeypatch.setattr(predictor, "_candidates", candidates)
    caplog.clear()
    assert [answer["answer"] for answer in predictor(records)] == [answer["answer"] for answer in expected]
    assert len(calls) == -(-len(records) // 3)
    assert [record.getMessage() for record in caplog.records] == [
        f"1 of {len(records)} questions exceed the model's max_question_length and are truncated"
    ]


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_one_is_rejected(predictor: MrcPredictor, batch_size: int) -> None:
    with pytest.raises(InputError, match=f"batch_size is {batch_size}, but must be at least 1"):
        MrcPredictor(predictor.model, batch_size=batch_size)


@pytest.mark.parametrize("context", ["", "   ", "\n\t"])
def test_a_passage_without_text_has_an_empty_answer(predictor: MrcPredictor, context: str) -> None:
    records = [{"question": "Where?", "context": context}, {"question": "", "context": "Paris"}]
    empty, found = predictor(records, n_best=2)
    nothing = {"answer": "", "score": 0.0, "start": 0, "end": 0}
    assert empty == {**nothing, "n_best": [nothing]}
    assert found["answer"] != ""
    assert predictor([]) == []


@pytest.mark.parametrize(
    ("record", "message"),
    [
        pytest.param({"context": "Paris"}, "record 2: question is missing", id="no question"),
        pytest.param({"question": "Where?"}, "record 2: context is missing", id="no context"),
        pytest.param({"question": "Where?", "context": None}, "record 2: context is NoneType", id="null"),
        pytest.param({"question": ["Where?"], "context": ""}, "record 2: question is list", id="list"),
        pytest.param(
            {"question": "?", "context": "a\ud83d"}, "record 2: context contains a lone surrogate", id="surrogate"
        ),
    ],
)
def test_invalid_records_are_rejected_by_number(predictor: MrcPredictor, record: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        predictor([{"question": "Where?", "context": "Paris"}, record])


@pytest.mark.parametrize("n_best", [0, 21])
def test_n_best_out_of_range_is_rejected(predictor: MrcPredictor, n_best: int) -> None:
    with pytest.raises(InputError, match=f"n_best {n_best} is out of range; it must be 1 to 20"):
        predictor([], n_best=n_best)


def test_long_questions_are_truncated_with_a_warning(predictor: MrcPredictor, caplog: pytest.LogCaptureFixture) -> None:
    records = [{"question": "Where was she born " * 20, "context": "Paris"}, {"question": "Where?", "context": "Paris"}]
    with caplog.at_level(logging.WARNING, logger="clism_core"):
        predictor(records)
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 2 questions exceed the model's max_question_length and are truncated"
    ]


def test_prediction_does_not_change_the_model(predictor: MrcPredictor) -> None:
    record = {"question": "Where?", "context": "Paris"}
    predictor.model.train()
    first = predictor([record])
    assert predictor.model.training
    predictor.model.eval()
    assert predictor([record]) == first
    assert not predictor.model.training


def test_a_predictor_is_created_from_a_folder(predictor: MrcPredictor, tmp_path: Path) -> None:
    predictor.model.save(tmp_path)
    records = records_of_all_scripts()
    loaded = load_predictor(str(tmp_path), batch_size=4)
    assert isinstance(loaded, MrcPredictor)
    assert loaded(records) == predictor(records)
    assert not any(module.training for module in loaded.model.modules())  # threads of a server share them
