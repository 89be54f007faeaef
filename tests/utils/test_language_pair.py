import pytest

from clism_core.utils.language_pair import LanguagePair


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        pytest.param("en-de", "en", "de", id="two letters"),
        pytest.param("en-zh-TW", "en", "zh-TW", id="region of the target"),
        pytest.param("zh-Hant-TW-en", "zh-Hant-TW", "en", id="script and region of the source"),
        pytest.param("sr-Latn-pt-BR", "sr-Latn", "pt-BR", id="both"),
        pytest.param("en-es-419", "en", "es-419", id="region of digits"),
        pytest.param("eng-hsb", "eng", "hsb", id="three letters"),
        pytest.param("en-x1", "en", "x1", id="not a language code"),
    ],
)
def test_a_pair_is_parsed_and_written(text: str, source: str, target: str) -> None:
    pair = LanguagePair.parse(text)
    assert (pair.source, pair.target) == (source, target)
    assert pair == LanguagePair.of({"source_lang": source, "target_lang": target})
    assert f"{pair}" == str(pair) == text
