"""Evaluation of the development data: scores worked out by hand, on any number of workers."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from clism_core.tasks.finetuning import dev_evaluation as dev
from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.tasks.mrc.task import MRC
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.tasks.ner.task import NER
from clism_core.tasks.predictor import Predicted
from clism_core.tasks.test_data import TestSet as DataSet

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
    """Raised where a worker would wait for the others."""


def on_workers(monkeypatch: pytest.MonkeyPatch, number: int, evaluate: Callable[[], Any], *, returning: int = 0) -> Any:
    """Return the result of `evaluate` on one of `number` workers: the parts of all are computed before they are
    gathered."""
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
    monkeypatch.setattr(dev, "rank", lambda: returning)
    monkeypatch.setattr(dev, "gather_results", lambda _compute: parts)
    return evaluate()


def evaluate(
    monkeypatch: pytest.MonkeyPatch, test_set: DataSet, output: Callable[[dict[str, Any]], Any], workers: int
) -> Any:
    """Return the result on `workers` workers of a predictor whose output for a record is `output(record)`."""
    predictor: Any = SimpleNamespace(outputs=lambda records: Predicted([*map(output, records)], [False] * len(records)))
    return on_workers(monkeypatch, workers, lambda: dev.evaluate_development(predictor, test_set))


WORKERS = pytest.mark.parametrize("workers", [1, 2, pytest.param(5, id="more-workers-than-examples")])


@WORKERS
def test_questions(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    metrics, score = evaluate(
        monkeypatch, MRC.development_set(QUESTIONS, "en"), lambda r: ANSWERS[r["question"]], workers
    )
    assert metrics == pytest.approx({"en/exact_match": 100 / 3, "en/f1": (100 + 200 / 3 + 0) / 3})
    assert score == metrics["en/f1"]


@WORKERS
def test_sentences(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    metrics, score = evaluate(
        monkeypatch, NER.development_set(SENTENCES, "en"), lambda r: TAGS[r["tokens"][0]], workers
    )
    expected = {"precision": 100 / 3, "recall": 50, "f1": 40, "PER_f1": 200 / 3, "LOC_f1": 0}
    assert metrics == pytest.approx({f"en/{name}": value for name, value in expected.items()})
    assert score == metrics["en/f1"]


def test_a_type_invalid_in_mlflow_names_is_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    gold = NER.development_set([Sentence(("CERN",), ("B-R&D/lab",))], "en")
    metrics, _ = evaluate(monkeypatch, gold, lambda _: ["B-R&D/lab"], workers=1)
    assert metrics["en/R_D_lab_f1"] == 100


@WORKERS
def test_truncated_records_of_all_workers_are_counted_in_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    predictor: Any = SimpleNamespace(
        outputs=lambda records: Predicted([""] * len(records), [record["question"] != "Who?" for record in records]),
        truncated="questions are truncated",
    )
    test_set = MRC.development_set(QUESTIONS, "en")
    for worker in range(workers):
        on_workers(monkeypatch, workers, lambda: dev.evaluate_development(predictor, test_set), returning=worker)
    assert caplog.messages == ["development data: 2 of 3 questions are truncated"]
