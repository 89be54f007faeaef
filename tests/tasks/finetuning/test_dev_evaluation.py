"""The evaluation of the development data: figures worked out by hand, on any number of workers."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from clism_core.tasks.finetuning import dev_evaluation as dev
from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.tasks.ner.conll_format import Sentence

ANSWERS = {"Where?": "Paris", "Who?": "Anna Smith", "When?": "today"}
QUESTIONS = [
    Question("1", "Where?", "In Paris.", (Answer("Paris", 3),)),
    Question("2", "Who?", "Anna Smith did.", (Answer("Anna", 0), Answer("Smith", 5))),
    Question("3", "When?", "In 1903, not today.", (Answer("1903", 3),)),
]
SENTENCES = [
    Sentence(("Anna", "Smith", "sings"), ("B-PER", "I-PER", "O")),
    Sentence(("Paris",), ("B-LOC",)),
    Sentence(("today",), ("O",)),
]
TAGS = {"Anna": ["B-PER", "I-PER", "O"], "Paris": ["B-PER"], "today": ["B-LOC"]}


class Gathered(Exception):  # noqa: N818
    """Ends a worker's part where it would wait for the others."""


def on_workers(monkeypatch: pytest.MonkeyPatch, number: int, evaluate: Callable[[], Any]) -> Any:
    """Return what each of `number` workers gets: first their parts are made, then what comes of all of them."""
    parts: list[Any] = []

    def give(compute: Callable[[], Any]) -> list[Any]:
        parts.append(compute())
        raise Gathered

    monkeypatch.setattr(dev, "world_size", lambda: number)
    monkeypatch.setattr(dev, "gather_results", give)
    for worker in range(number):
        monkeypatch.setattr(dev, "rank", lambda worker=worker: worker)
        with pytest.raises(Gathered):
            evaluate()
    monkeypatch.setattr(dev, "gather_results", lambda _compute: parts)
    return evaluate()


WORKERS = pytest.mark.parametrize("workers", [1, 2, pytest.param(5, id="more-workers-than-examples")])


@WORKERS
def test_questions(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    def predict(records: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        return [{"answer": ANSWERS[record["question"]]} for record in records]

    predictor: Any = predict
    metrics, score = on_workers(
        monkeypatch, workers, lambda: dev.evaluate_questions(predictor, QUESTIONS, language="en")
    )
    assert metrics == pytest.approx({"en/exact_match": 100 / 3, "en/f1": (100 + 200 / 3 + 0) / 3})
    assert score == metrics["en/f1"]


@WORKERS
def test_sentences(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    class Tagger:
        def tags(self, sequences: Sequence[Sequence[str]]) -> list[list[str]]:
            return [TAGS[tokens[0]] for tokens in sequences]

    predictor: Any = Tagger()
    metrics, score = on_workers(
        monkeypatch, workers, lambda: dev.evaluate_sentences(predictor, SENTENCES, language="en")
    )
    expected = {"precision": 100 / 3, "recall": 50, "f1": 40, "PER_f1": 200 / 3, "LOC_f1": 0}
    assert metrics == pytest.approx({f"en/{name}": value for name, value in expected.items()})
    assert score == metrics["en/f1"]


def test_a_type_that_mlflow_cannot_name_is_named_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tagger:
        def tags(self, sequences: Sequence[Sequence[str]]) -> list[list[str]]:
            return [["B-R&D/lab"] for _ in sequences]

    predictor: Any = Tagger()
    gold = [Sentence(("CERN",), ("B-R&D/lab",))]
    metrics, _ = on_workers(monkeypatch, 1, lambda: dev.evaluate_sentences(predictor, gold, language="en"))
    assert metrics["en/R_D_lab_f1"] == 100
