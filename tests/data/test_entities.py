from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, Span

from clism_core.data.entities import EntitiesConfig, SpanKind, find_candidates, find_pipeline, load_pipeline
from clism_core.errors import InputError

NLP = spacy.blank("en")


def sentence(entities: list[tuple[int, int, str]]) -> Doc:
    """Return "He beat the US in the old town of Rome", analysed by hand; `entities` are ranges of tokens."""
    analysis = [
        # word, part of speech, head, dependency
        ("He", "PRON", 1, "nsubj"),
        ("beat", "VERB", 1, "ROOT"),
        ("the", "DET", 3, "det"),
        ("US", "PROPN", 1, "dobj"),
        ("in", "ADP", 1, "prep"),
        ("the", "DET", 7, "det"),
        ("old", "ADJ", 7, "amod"),
        ("town", "NOUN", 4, "pobj"),
        ("of", "ADP", 7, "prep"),
        ("Rome", "PROPN", 8, "pobj"),
    ]
    words, tags, heads, dependencies = (list(column) for column in zip(*analysis, strict=True))
    doc = Doc(NLP.vocab, words=words, pos=tags, heads=heads, deps=dependencies)
    doc.ents = [Span(doc, start, end, label) for start, end, label in entities]
    return doc


@pytest.mark.parametrize(
    ("entities", "span_kind", "expected"),
    [
        pytest.param([(3, 4, "GPE"), (9, 10, "GPE")], "entities", [("US", "GPE"), ("Rome", "GPE")], id="entities"),
        pytest.param([(0, 1, "PERSON"), (2, 3, "ORG")], "entities", [], id="stop-words-only"),
        pytest.param([(3, 4, "GPE")], "entities", [("US", "GPE")], id="acronym-that-spells-a-stop-word"),
        pytest.param([(5, 10, "GPE")], "entities", [("the old town of Rome", "GPE")], id="five-tokens"),
        pytest.param([(4, 10, "GPE")], "entities", [], id="six-tokens"),
        pytest.param(
            [(9, 10, "GPE")],
            "entities+noun_chunks",
            [("Rome", "GPE"), ("the US", "NOUN_CHUNK"), ("the old town", "NOUN_CHUNK")],
            id="chunks-without-the-pronoun",
        ),
        pytest.param(
            [(3, 4, "GPE"), (7, 10, "LOC")],
            "entities+noun_chunks",
            [("US", "GPE"), ("town of Rome", "LOC")],
            id="chunks-that-overlap-entities",
        ),
    ],
)
def test_candidates(entities: list[tuple[int, int, str]], span_kind: SpanKind, expected: list[tuple[str, str]]) -> None:
    doc = sentence(entities)
    found = find_candidates(doc, span_kind=span_kind, max_tokens=5)
    assert [(doc.text[candidate.start : candidate.end], candidate.label) for candidate in found] == expected


def test_punctuation_is_no_information() -> None:
    doc = Doc(NLP.vocab, words=["-", "the"])
    doc.ents = [Span(doc, 0, 2, "ORG")]
    assert find_candidates(doc, span_kind="entities", max_tokens=5) == []


def test_pipeline_in_a_folder(tmp_path: Path) -> None:
    nlp = spacy.blank("de")
    nlp.add_pipe("attribute_ruler")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Rom"}])  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path)
    config = EntitiesConfig(pipeline=str(tmp_path))
    assert find_pipeline(config)["lang"] == "de"
    loaded = load_pipeline(config)
    assert loaded.pipe_names == ["entity_ruler"]
    assert [entity.text for entity in loaded("Das ist Rom").ents] == ["Rom"]


def test_pipeline_that_is_not_installed() -> None:
    with pytest.raises(InputError, match=r"xx_none is not installed; pip install -e '.\[align\]'"):
        find_pipeline(EntitiesConfig(pipeline="xx_none"))


def test_pipeline_without_ner(tmp_path: Path) -> None:
    spacy.blank("de").to_disk(tmp_path)
    with pytest.raises(InputError, match="has no NER"):
        find_pipeline(EntitiesConfig(pipeline=str(tmp_path)))
