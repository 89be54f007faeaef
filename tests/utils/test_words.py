import pytest

from clism_core.utils.words import base_language, script_subtag, segment, whitespace_tokens


def words_of(text: str) -> list[str]:
    return [text[start:end] for start, end in segment(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Italy's coach, 31-5.", ["Italy", "'s", "coach", ",", "31", "-", "5", "."], id="possessive"),
        pytest.param("I don’t know Côte d'Ivoire", ["I", "don’t", "know", "Côte", "d'Ivoire"], id="apostrophes"),
        pytest.param("the boys' 'own'", ["the", "boys", "'", "'", "own", "'"], id="quotes"),
        pytest.param("1,000.50 at 10:30, 2007.", ["1,000.50", "at", "10:30", ",", "2007", "."], id="numbers"),
        pytest.param("Größe für 5€", ["Größe", "für", "5", "€"], id="german"),
        pytest.param("¿Qué año?", ["¿", "Qué", "año", "?"], id="spanish"),
        pytest.param("Bồ Đào Nha.", ["Bồ", "Đào", "Nha", "."], id="vietnamese"),
        pytest.param("Bo\u0302\u0300 a", ["Bo\u0302\u0300", "a"], id="combining-marks"),
        pytest.param("قالَ: «مرحبا»؟", ["قالَ", ":", "«", "مرحبا", "»", "؟"], id="arabic-with-vowels"),
        pytest.param("हिन्दी में क्\u200dष।", ["हिन्दी", "में", "क्\u200dष", "।"], id="hindi-matras-and-joiner"),
        pytest.param("می\u200cخواهم", ["می\u200cخواهم"], id="zero-width-non-joiner"),
        pytest.param("東京に 行く", ["東", "京", "に", "行", "く"], id="no-spaces"),
        pytest.param("🇻🇳 ok 👩‍🔬!", ["🇻🇳", "ok", "👩‍🔬", "!"], id="emoji-clusters"),
        pytest.param("كـتاب العـــربية،", ["كـتاب", "العـــربية", "،"], id="arabic-tatweel"),
        pytest.param("\u0600١٢٣ \u0600", ["\u0600١٢٣", "\u0600"], id="arabic-number-sign"),
        pytest.param("1990's col·lecció", ["1990", "'s", "col·lecció"], id="catalan-dot-and-years"),
        pytest.param("第3.5章 iPhone手机", ["第", "3.5", "章", "iPhone", "手", "机"], id="mixed-scripts"),
        pytest.param("ラー ｶﾞ กำ ๑๒", ["ラ", "ー", "ｶﾞ", "กำ", "๑๒"], id="characters-with-attached-marks"),
        pytest.param("1️⃣ ☎️! 👍🏽 ❤️‍🔥", ["1️⃣", "☎️", "!", "👍🏽", "❤️‍🔥"], id="emoji-from-ordinary-characters"),
        pytest.param("f_x C++", ["f", "_", "x", "C", "+", "+"], id="symbols"),
        pytest.param("", [], id="empty"),
    ],
)
def test_segments_into_words(text: str, expected: list[str]) -> None:
    assert words_of(text) == expected


def test_every_character_but_white_space_is_in_one_word() -> None:
    text = "«Ça va?» 'tis the U.S. 3.5% — नमस्ते\u200c x\u200d ٣٫١٤ \u0301a e\u0301 ’s"
    covered = [place for start, end in segment(text) for place in range(start, end)]
    assert covered == [place for place, character in enumerate(text) if not character.isspace()]


def test_offsets_count_code_points() -> None:
    assert segment("𝒳 a😀b") == [(0, 1), (2, 3), (3, 4), (4, 5)]


def test_whitespace_tokens_match_split() -> None:
    text = "a-b  c\u00a0d ."
    assert [text[start:end] for start, end in whitespace_tokens(text)] == text.split() == ["a-b", "c", "d", "."]


@pytest.mark.parametrize(
    ("tag", "language", "script"),
    [
        pytest.param("en", "en", None, id="language"),
        pytest.param("pt_BR", "pt", None, id="region"),
        pytest.param("ca-valencia", "ca", None, id="variant"),
        pytest.param("zh-Hant-TW", "zh", "Hant", id="script-and-region"),
        pytest.param("uz_arab", "uz", "Arab", id="script-in-lower-case"),
        pytest.param("zh-yue-Hant", "zh", "Hant", id="extended-language"),
        pytest.param("en-x-latn", "en", None, id="private-use"),
        pytest.param("eng", "en", None, id="english"),
        pytest.param("cmn-Hans", "zh", "Hans", id="mandarin"),
        pytest.param("iw", "he", None, id="old-code"),
        pytest.param("sh", "sr", None, id="alias-with-script"),
        pytest.param("no", "nb", None, id="norwegian"),
        pytest.param("tl", "tl", None, id="tagalog-stays"),
        pytest.param("tgl", "tl", None, id="three-letters-of-tagalog"),
        pytest.param("kmr", "kmr", None, id="northern-kurdish-stays"),
        pytest.param("yue", "yue", None, id="cantonese-is-not-mandarin"),
        pytest.param("x1", "x1", None, id="unknown"),
    ],
)
def test_language_and_script_of_a_tag(tag: str, language: str, script: str | None) -> None:
    assert (base_language(tag), script_subtag(tag)) == (language, script)
