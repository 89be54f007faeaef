import pytest

from clism_core.tasks.ner.conlleval import EntityCounts, EntityFigures, EntityMetrics, count_entities, entities
from clism_core.utils.errors import InputError

SENTENCES = {
    "adjacent entities": ("B-PER I-PER B-PER O", "B-PER I-PER I-PER O"),
    "IOB1 against IOB2": ("I-LOC I-LOC B-LOC O O", "B-LOC I-LOC B-LOC I-ORG I-ORG"),
    "I- of another type": ("I-PER I-LOC I-LOC", "O I-PER I-LOC"),
    "nothing to find": ("O", "B-LOC"),
    "hyphen in the type": ("B-A-B I-PER", "I-A-B I-PER"),
}


def _metrics(*ids: str) -> EntityMetrics:
    counts = {
        each: count_entities(gold=SENTENCES[each][0].split(), predicted=SENTENCES[each][1].split()) for each in ids
    }
    return EntityMetrics(sentences=counts)


def test_scores_as_conlleval_does() -> None:
    summary = _metrics(*SENTENCES).summary()
    assert (summary["n"], summary["scorer"]) == (5, "conlleval")
    # conlleval (version of 2004-01-26) on the same tags: 8 phrases; found: 9; correct: 4
    assert (summary["gold"], summary["predicted"], summary["correct"]) == (8, 9, 4)
    figures: dict[str, EntityFigures] = {"all": summary, **summary["by_label"]}
    assert {
        label: (round(of["precision"], 2), round(of["recall"], 2), round(of["f1"], 2), of["predicted"])
        for label, of in figures.items()
    } == {
        "all": (44.44, 50.0, 47.06, 9),
        "A-B": (100.0, 100.0, 100.0, 1),
        "LOC": (50.0, 66.67, 57.14, 4),
        "ORG": (0.0, 0.0, 0.0, 1),
        "PER": (33.33, 25.0, 28.57, 3),
    }


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param("B-PER I-PER O", [("PER", 0, 2)], id="IOB2"),
        pytest.param("I-PER I-PER B-PER", [("PER", 0, 2), ("PER", 2, 3)], id="IOB1 parts neighbours by B-"),
        pytest.param("B-PER B-PER", [("PER", 0, 1), ("PER", 1, 2)], id="neighbours"),
        pytest.param("O I-LOC I-LOC", [("LOC", 1, 3)], id="I- after O begins an entity"),
        pytest.param("B-PER I-LOC I-PER", [("PER", 0, 1), ("LOC", 1, 2), ("PER", 2, 3)], id="I- of another type"),
        pytest.param("O O", [], id="none"),
        pytest.param("", [], id="no tokens"),
    ],
)
def test_entities_of_tags(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert entities(tags.split()) == expected


@pytest.mark.parametrize("tag", ["S-PER", "E-PER", "B", "I-", "PER", "", "o", "O-PER", "-X-"])
def test_a_tag_of_another_scheme_is_rejected(tag: str) -> None:
    with pytest.raises(InputError, match=f"tag '{tag}' cannot be scored"):
        entities(["O", tag])


def test_a_missing_tag_is_rejected() -> None:
    with pytest.raises(InputError, match="3 gold tags and 2 predicted"):
        count_entities(gold=["O"] * 3, predicted=["O"] * 2)


def test_scores_do_not_depend_on_the_order_of_sentences() -> None:
    ids = list(SENTENCES)
    backward = _metrics(*reversed(ids))
    assert backward.summary() == _metrics(*ids).summary()
    assert backward.examples().ids == _metrics(*ids).examples().ids == tuple(sorted(ids))


def test_a_test_set_without_sentences_is_rejected() -> None:
    with pytest.raises(InputError, match="without sentences"):
        _metrics().summary()


def test_without_entities_all_scores_are_zero() -> None:
    counts = EntityCounts()
    assert (counts.precision, counts.recall, counts.f1) == (0.0, 0.0, 0.0)
    empty = EntityMetrics(sentences={"1": count_entities(gold=["O"], predicted=["O"])})
    assert empty.examples().value == 0.0


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        pytest.param(None, 800 / 17, id="all types"),  # 2 * 4 / (8 + 9)
        pytest.param("LOC", 400 / 7, id="one type"),  # 2 * 2 / (3 + 4)
        pytest.param("MISC", 0.0, id="a type that is not there"),
    ],
)
def test_examples_add_up_to_micro_f1(label: str | None, expected: float) -> None:
    assert _metrics(*SENTENCES).examples(label).value == pytest.approx(expected)
