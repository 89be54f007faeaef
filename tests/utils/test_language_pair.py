import pytest

from clism_core.utils.language_pair import LanguagePair


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        pytest.param("en", "de", "en-de", id="two letters"),
        pytest.param("en", "zh-TW", "en-zh-TW", id="region"),
        pytest.param("sr-Latn", "pt-BR", "sr-Latn-pt-BR", id="script and region"),
    ],
)
def test_a_pair_is_read_from_its_columns_and_written_with_a_hyphen(source: str, target: str, text: str) -> None:
    assert str(LanguagePair.of({"source_lang": source, "target_lang": target, "source": "x"})) == text
