"""Word segmentation by ICU of languages written without spaces."""

import pytest

from clism_core.utils import words
from clism_core.utils.errors import InputError
from clism_core.utils.words import check_segmenter, segment


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        pytest.param("zh", "我们在北京。", ["我们", "在", "北京", "。"], id="chinese"),
        pytest.param("zh-TW", "我們在臺灣。", ["我們", "在", "臺灣", "。"], id="chinese-of-taiwan"),
        pytest.param("ja", "東京に行く", ["東京", "に", "行く"], id="japanese"),
        pytest.param("cmn", "我们在北京。", ["我们", "在", "北京", "。"], id="three-letters-of-chinese"),
        pytest.param("zho-Hant", "我們在臺灣。", ["我們", "在", "臺灣", "。"], id="three-letters-and-script"),
        pytest.param("jpn", "東京に行く", ["東京", "に", "行く"], id="three-letters-of-japanese"),
        pytest.param("tha", "ประเทศไทยมี", ["ประเทศไทย", "มี"], id="three-letters-of-thai"),
        pytest.param("th", "ประเทศไทยมี 5 คน", ["ประเทศไทย", "มี", "5", "คน"], id="thai"),
        pytest.param("lo", "ປະເທດລາວມີ", ["ປະເທດ", "ລາວ", "ມີ"], id="lao"),
        pytest.param("km", "ប្រទេសកម្ពុជា", ["ប្រទេស", "កម្ពុជា"], id="khmer"),
        pytest.param("zh", "在2019年用iPhone", ["在", "2019", "年", "用", "iPhone"], id="mixed"),
        pytest.param("ja", "𠮷、東京に。", ["𠮷", "、", "東京", "に", "。"], id="beyond-the-basic-plane"),
        pytest.param("zh", "Italy's 3.5%", ["Italy", "'s", "3.5", "%"], id="nothing-to-look-up"),
    ],
)
def test_segments_by_dictionary(language: str, text: str, expected: list[str]) -> None:
    pytest.importorskip("icu4py")
    assert [text[start:end] for start, end in segment(text, language)] == expected


@pytest.mark.parametrize("language", ["zh", "zh-Hant", "ja", "th", "lo", "km", "my", "cmn", "jpn", "tha", "zho", "mya"])
def test_missing_segmenter_is_an_input_error(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=rf"'{language}'.*icu4py.*'\.\[asian\]'"):
        check_segmenter(language)


@pytest.mark.parametrize("language", ["en", "ar", "hi", "vi", "ko"])
def test_other_languages_need_no_segmenter(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "find_spec", lambda _: None)
    check_segmenter(language)
    assert segment("ab cd", language) == [(0, 2), (3, 5)]
