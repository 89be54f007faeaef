"""Outputs to predictions to scores, by figures worked out by hand."""

import json

import numpy as np
import pytest

from clism_core.evaluation.retrieval_data import Pair, PairSet
from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.tasks.mrc.test_data import QuestionSet
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.tasks.ner.test_data import TaggedSet
from clism_core.utils.errors import InputError


def question(name: str, *answers: str) -> Question:
    return Question(name, "?", "a passage", tuple(Answer(answer, 0) for answer in answers))


def test_answer_predictions_by_question_id_and_their_scores() -> None:
    test_set = QuestionSet("xquad", "ar", "squad-1.1", (question("b", "New York"), question("a", "the Nile", "nile")))
    text = test_set.predictions(["York", "Nile!"])
    assert json.loads(text) == {"b": "York", "a": "Nile!"}
    scored = test_set.score(text)
    # York against New York: precision 1, recall 1/2
    assert scored.summary == {
        "exact_match": 50.0,
        "f1": pytest.approx((200 / 3 + 100) / 2),
        "n": 2,
        "scorer": "squad-1.1",
    }
    assert list(scored.examples) == ["f1", "exact_match"]
    assert scored.examples["exact_match"].ids == ("a", "b")
    assert scored.examples["exact_match"].numerators.tolist() == [100.0, 0.0]


def test_answer_predictions_are_not_escaped() -> None:
    text = QuestionSet("xquad", "ar", "squad-1.1", (question("a", "x"),)).predictions(["باريس"])
    assert "باريس" in text


def test_cross_pairs_are_scored_by_the_language_of_the_passage() -> None:
    answers = ("das Haus",)  # an article in German, and a word in English
    scored = {
        language: QuestionSet("mlqa", language, "mlqa-1.0", (question("a", *answers),)).score('{"a": "Haus"}').summary
        for language in ("de-en", "en-de")
    }
    assert (scored["de-en"]["exact_match"], scored["en-de"]["exact_match"]) == (100.0, 0.0)


def test_tag_predictions_in_conlleval_format_and_their_scores() -> None:
    test_set = TaggedSet(
        "conll",
        "en",
        (
            Sentence(("New York", "is", "far"), ("B-LOC", "O", "O")),
            Sentence(("Mary", "Ann", "left"), ("B-PER", "I-PER", "O")),
        ),
    )
    text = test_set.predictions([["B-LOC", "O", "B-PER"], ["B-PER", "O", "O"]])
    assert text == (
        "New_York B-LOC B-LOC\nis O O\nfar O B-PER\n\n"  # white space within a token would be a column more
        "Mary B-PER B-PER\nAnn I-PER O\nleft O O\n\n"
    )
    scored = test_set.score(text)
    # LOC: 1 of 1 predicted, 1 gold. PER: 0 of 2 predicted, 1 gold. In all 1 correct, 3 predicted, 2 gold
    summary = scored.summary
    assert (summary["precision"], summary["recall"], summary["f1"]) == (pytest.approx(100 / 3), 50.0, 40.0)
    assert (summary["n"], summary["scorer"]) == (2, "conlleval")
    assert {label: figures["f1"] for label, figures in summary["by_label"].items()} == {"LOC": 100.0, "PER": 0.0}
    assert {label: examples.value for label, examples in scored.by_label.items()} == {"LOC": 100.0, "PER": 0.0}


def test_types_with_white_space_are_scored() -> None:
    test_set = TaggedSet("wnut", "en", (Sentence(("Hamlet", "opens"), ("B-creative work", "O")),))
    text = test_set.predictions([["B-creative work", "O"]])
    assert text == "Hamlet B-creative_work B-creative_work\nopens O O\n\n"
    assert test_set.score(text).summary["by_label"]["creative_work"]["f1"] == 100.0


def vectors(*angles: float) -> list[np.ndarray]:
    return [np.array([np.cos(angle), np.sin(angle)], dtype=np.float32) for angle in angles]


def test_retrieval_predictions_in_both_directions_and_their_scores() -> None:
    test_set = PairSet("flores", "en-de", (Pair("a", "A"), Pair("b", "B"), Pair("c", "C")))
    assert test_set.records() == [{"text": text} for text in ("a", "b", "c", "A", "B", "C")]
    # Sources at 0, 1 and 2, targets at 0.1, 0.9 and 1.3. b (1.0) finds B (0.9) and c (2.0) finds C (1.3);
    # B finds b (0.1 away), but C finds b (0.3 away) and not c (0.7 away).
    text = test_set.predictions(vectors(0.0, 1.0, 2.0, 0.1, 0.9, 1.3))
    assert json.loads(text) == {"1": [1, 1], "2": [2, 2], "3": [3, 2]}
    scored = test_set.score(text)
    assert scored.summary == {
        "accuracy": 100.0,
        "reverse_accuracy": pytest.approx(200 / 3),
        "n": 3,
        "scorer": "retrieval-accuracy",
    }
    assert scored.examples["reverse_accuracy"].numerators.tolist() == [100.0, 100.0, 0.0]


def test_retrieving_an_identical_sentence_is_correct() -> None:
    test_set = PairSet("flores", "en-de", (Pair("a", "A"), Pair("b", "A")))
    scored = test_set.score(json.dumps({"1": [2, 1], "2": [2, 1]}))
    assert scored.examples["accuracy"].numerators.tolist() == [100.0, 100.0]  # both targets are "A"
    assert scored.examples["reverse_accuracy"].numerators.tolist() == [100.0, 0.0]


@pytest.mark.parametrize(
    ("test_set", "text"),
    [
        pytest.param(QuestionSet("d", "en", "squad-1.1", (question("a", "x"),)), '{"b": "x"}', id="questions"),
        pytest.param(TaggedSet("d", "en", (Sentence(("x",), ("B-PER",)),)), "x O O\n\n", id="sentences"),
        pytest.param(PairSet("d", "en-de", (Pair("a", "A"),)), '{"1": [1, 1], "2": [1, 1]}', id="pairs"),
    ],
)
def test_predictions_for_another_file_are_rejected(test_set: QuestionSet | TaggedSet | PairSet, text: str) -> None:
    with pytest.raises(InputError, match="give predictions for this file"):
        test_set.score(text)
