"""`clism_core.load`: texts in, what the predictor returns out, from every kind of model name."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import TEXTS, write_encoder

from clism_core import load
from clism_core.inference.models import find_model
from clism_core.inference.predictor import load_predictor
from clism_core.inference.task_pipeline import TaskPipeline
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.model import NerModel
from clism_core.utils.errors import InputError

WHERE, WHO = "Where was Mary Smith born?", "Who lives in Berlin?"
WORDS = ["Mary", "Smith", "lives", "in", "Berlin"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    encoder = str(write_encoder("xlmr", root / "encoder"))
    MrcModel.begin(encoder, MrcConfig(max_length=64, stride=8, max_question_length=24), seed=0).save(root / "mrc")
    NerModel.begin(encoder, NerConfig(max_length=64, stride=8), seed=0).save(root / "ner")
    return {"mrc": root / "mrc", "ner": root / "ner"}


@pytest.fixture(scope="module")
def qa(folders: dict[str, Path]) -> TaskPipeline:
    return load(folders["mrc"])


@pytest.fixture(scope="module")
def ner(folders: dict[str, Path]) -> TaskPipeline:
    return load(str(folders["ner"]))


@pytest.fixture(scope="module")
def answers(folders: dict[str, Path]) -> list[dict[str, Any]]:
    """The predictor's answers to both questions about the first text, and to the first question about the second."""
    pairs = [(WHERE, TEXTS[0]), (WHO, TEXTS[0]), (WHERE, TEXTS[1])]
    return load_predictor(str(folders["mrc"]))([{"question": q, "context": c} for q, c in pairs])


def assert_equal(found: Any, expected: Any) -> None:
    """Compare predictions; scores depend on the other inputs of a forward pass in their last digits."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_equal(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_equal(one, other)
    else:
        assert found == (pytest.approx(expected, rel=1e-4) if isinstance(expected, float) else expected)


def test_one_question_has_one_answer(qa: TaskPipeline, answers: list[dict[str, Any]]) -> None:
    assert_equal(qa(question=WHERE, context=TEXTS[0]), answers[0])
    assert_equal(qa(WHERE, TEXTS[0]), answers[0])
    assert_equal(qa(WHERE, context=TEXTS[0]), answers[0])


@pytest.mark.parametrize(
    ("questions", "contexts", "numbers"),
    [
        pytest.param([WHERE, WHERE], [TEXTS[0], TEXTS[1]], [0, 2], id="lists"),
        pytest.param((WHERE, WHERE), np.array(TEXTS[:2]), [0, 2], id="tuple-and-array"),
        pytest.param([WHERE, WHO], TEXTS[0], [0, 1], id="one-context"),
        pytest.param(WHERE, pd.Series(TEXTS[:2]), [0, 2], id="one-question-and-series"),
        pytest.param([WHO], [TEXTS[0]], [1], id="list-of-one"),
        pytest.param([], [], [], id="none"),
        pytest.param([], TEXTS[0], [], id="none-about-a-context"),
    ],
)
def test_lists_have_lists_of_answers(
    qa: TaskPipeline, answers: list[dict[str, Any]], questions: Any, contexts: Any, numbers: Sequence[int]
) -> None:
    assert_equal(qa(question=questions, context=contexts), [answers[number] for number in numbers])


def test_texts_may_come_from_a_generator(qa: TaskPipeline, answers: list[dict[str, Any]]) -> None:
    assert_equal(qa(question=(question for question in (WHERE, WHO)), context=TEXTS[0]), answers[:2])


def test_several_answers_to_a_question(qa: TaskPipeline, answers: list[dict[str, Any]]) -> None:
    found = qa(question=WHERE, context=TEXTS[0], n_best=3)
    assert_equal({name: found[name] for name in answers[0]}, answers[0])
    assert [len(each["n_best"]) for each in qa(question=[WHERE], context=TEXTS[0], n_best=2)] == [2]


def test_a_passage_without_words_has_the_empty_answer(qa: TaskPipeline) -> None:
    assert qa(question=WHERE, context="\u200b\u200b") == {"answer": "", "score": 0.0, "start": 0, "end": 0}


def test_entities_of_texts_and_tokens(ner: TaskPipeline, folders: dict[str, Path]) -> None:
    predictor = load_predictor(str(folders["ner"]))
    text, other, tokens = predictor([{"text": TEXTS[0]}, {"text": TEXTS[1]}, {"tokens": WORDS}])
    assert text["entities"], "random weights find nothing: choose another seed"
    assert_equal(ner(TEXTS[0]), text)
    assert_equal(ner(text=TEXTS[0]), text)
    assert_equal(ner(TEXTS[:2]), [text, other])
    assert_equal(ner(tokens=WORDS), tokens)
    assert_equal(ner(tokens=[WORDS, WORDS]), [tokens, tokens])
    assert_equal(ner(tokens=(np.array(WORDS),)), [tokens])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"question": WHERE}, "record 1: context is missing", id="no-context"),
        pytest.param({"question": [WHERE, WHO]}, "record 1: context is missing", id="no-contexts"),
        pytest.param({"question": WHERE, "context": None}, "record 1: context is NoneType", id="none"),
        pytest.param({"question": [WHERE, 3], "context": "x"}, "record 2: question is int, not a string", id="number"),
        pytest.param({"question": [WHERE, float("nan")], "context": "x"}, "record 2: question is float", id="nan"),
        pytest.param({"question": b"x", "context": "x"}, "record 1: question is bytes", id="bytes"),
        pytest.param({"question": {"a": 1}, "context": "x"}, "record 1: question is dict", id="mapping"),
        pytest.param({"question": [["x"]], "context": "x"}, "record 1: question is list", id="nested"),
        pytest.param({"question": {WHERE}, "context": "x"}, "record 1: question is set", id="set-has-no-order"),
        pytest.param({"question": [WHERE, " "], "context": "x"}, "record 2: question is blank", id="blank"),
        pytest.param({"question": WHERE, "context": ""}, "record 1: context is blank", id="empty"),
        pytest.param(
            {"question": [WHERE, WHO], "context": ["x"]},
            "question has 2 values and context has 1 values; give as many of each, or one for all",
            id="lengths",
        ),
        pytest.param({"question": WHERE, "context": "x", "n_best": 99}, "n_best 99 is out of range", id="n_best"),
        pytest.param({"question": WHERE, "context": "x", "n_best": "3"}, "n_best is str; give", id="n_best-text"),
        pytest.param({"question": WHERE, "context": "x", "n_best": True}, "n_best is bool", id="n_best-bool"),
    ],
)
def test_bad_questions_are_named(qa: TaskPipeline, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        qa(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({}, "record 1: has neither text nor tokens", id="nothing"),
        pytest.param({"text": "a", "tokens": ["a"]}, "record 1: has both text and tokens", id="both"),
        pytest.param({"tokens": "a b"}, "record 1: tokens is str; give a list of strings", id="text-as-tokens"),
        pytest.param({"tokens": []}, "record 1: tokens is empty", id="no-tokens"),
        pytest.param({"tokens": [["a"], "b"]}, "record 2: tokens is str", id="mixed"),
        pytest.param({"tokens": [["a"], []]}, "record 2: tokens is empty", id="empty-among-others"),
        pytest.param({"tokens": ["a", None]}, "record 1: tokens: token 2 is NoneType", id="null-token"),
    ],
)
def test_bad_sentences_are_named(ner: TaskPipeline, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ner(**arguments)


@pytest.mark.parametrize(
    ("values", "arguments", "message"),
    [
        pytest.param(
            (),
            {"query": "x"},
            "unknown argument 'query'; .* takes question, context, n_best",
            id="unknown",
        ),
        pytest.param(("x", "y", "z"), {}, "3 values without a name; a model for mrc takes", id="too-many"),
        pytest.param(("x",), {"question": "y", "context": "z"}, "question is given twice", id="twice"),
        pytest.param(("x", "y"), {"batch_size": 3}, "unknown argument 'batch_size'", id="of-load"),
    ],
)
def test_wrong_arguments_are_named(
    qa: TaskPipeline, values: tuple[str, ...], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        qa(*values, **arguments)


def test_batches_have_the_size_of_loading(folders: dict[str, Path]) -> None:
    qa = load(folders["mrc"], batch_size=2, device="cpu")
    sizes: list[int] = []
    model = qa._predictor.model
    model.head.register_forward_hook(lambda _head, _inputs, logits: sizes.append(len(logits.start_BKL)))
    qa(question=[WHERE] * 5, context="Paris")
    assert sizes == [2, 2, 1]
    assert not model.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"device": "gpu"}, "device 'gpu': cannot be used here; give cpu", id="unknown"),
        pytest.param({"device": "meta"}, "device 'meta': cannot be used here", id="without-data"),
        pytest.param({"device": ""}, "device '': cannot be used here", id="empty"),
        pytest.param({"batch_size": 0}, "batch_size is 0, but must be at least 1", id="batch_size"),
    ],
)
def test_options_that_cannot_be_used(folders: dict[str, Path], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(folders["mrc"], **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_an_error(folders: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="device 'cuda': cannot be used here"):
        load(folders["mrc"], device="cuda")


@pytest.fixture
def hub_id(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The question-answering model in the cache of the Hugging Face hub."""
    cached = tmp_path / "models--org--qa"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    shutil.copytree(folders["mrc"], cached / "snapshots" / ("0" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return "org/qa"


def test_a_hub_id_is_loaded(hub_id: str, answers: list[dict[str, Any]]) -> None:
    assert_equal(load(hub_id)(question=WHERE, context=TEXTS[0]), answers[0])
    found = find_model(hub_id)
    assert found.task == MrcConfig(max_length=64, stride=8, max_question_length=24)
    assert found.fingerprint == "0" * 40


def test_an_encoder_is_not_a_task_model(tmp_path: Path) -> None:
    folder = write_encoder("xlmr", tmp_path)
    with pytest.raises(InputError, match=r"not a task model \(task\.json is missing\); give a model trained by"):
        load(folder)
    with pytest.raises(InputError, match="no-such-org/no-such-model: no such folder"):
        load("no-such-org/no-such-model")
