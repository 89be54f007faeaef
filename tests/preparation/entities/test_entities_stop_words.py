import pytest

from clism_core.preparation.entities.stop_words import is_informative, spacy_language, stop_words


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        pytest.param("en", "en", id="known"),
        pytest.param("zh-Hant", "zh", id="script"),
        pytest.param("pt_BR", "pt", id="underscore"),
        pytest.param("deu", "de", id="three-letters"),
        pytest.param("no", "nb", id="norwegian"),
        pytest.param("nor", "nb", id="norwegian-three-letters"),
        pytest.param("vie", "vi", id="three-letters-without-a-pipeline"),
        pytest.param("cmn-Hans", "zh", id="mandarin"),
        pytest.param("fil", None, id="filipino"),
        pytest.param("rom", None, id="romany-is-not-romanian"),
        pytest.param("mt", None, id="unknown"),
    ],
)
def test_spacy_language(language: str, expected: str | None) -> None:
    assert spacy_language(language) == expected


@pytest.mark.parametrize(
    ("language", "word"),
    [
        pytest.param("en", "the", id="en"),
        pytest.param("ar", "من", id="ar"),
        pytest.param("hi", "और", id="hi"),
        pytest.param("vi", "và", id="vi"),
        pytest.param("zh", "的", id="zh"),
        pytest.param("ja", "これ", id="ja"),
    ],
)
def test_stop_words(language: str, word: str) -> None:
    assert word in stop_words(language)


@pytest.mark.parametrize("language", ["mt", "fo"])
def test_language_without_stop_words(language: str) -> None:
    assert stop_words(language) == frozenset()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("Rome", True, id="name"),
        pytest.param("The", False, id="stop-word-in-title-case"),
        pytest.param("IT", True, id="acronym"),
        pytest.param("I", False, id="one-capital"),
        pytest.param("7", True, id="digit"),
        pytest.param("--", False, id="punctuation"),
        pytest.param("हिन्दी", True, id="marks"),
    ],
)
def test_is_informative(word: str, expected: bool) -> None:
    assert is_informative(word, stops=stop_words("en")) is expected
