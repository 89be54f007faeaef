"""Properties of the words of any text."""

import importlib.util
from collections.abc import Callable

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clism_core.utils.words import segment

LETTERS = {
    "latin": "aZéß",
    "arabic": "بلاـۀک\u064e\u0651",
    "devanagari": "कषहि\u094d\u093f\u0902",
    "vietnamese": "ồếđư\u0302\u0301",
    "cyrillic": "жЁй",
    "hebrew": "שלו\u05b8",
    "thai": "กเำ\u0e31\u0e49",
    "lao": "ປະເ\u0eb3",
    "khmer": "កម\u17d2\u17bb",
    "burmese": "မန\u1039\u1039က\u102c",
    "han": "北京東𠮷々〇",
    "kana": "にほンー゙\uff76\uff9e",
    "hangul": "한국\u1100\u1161\u11a8",
    "indic": "ക\u0d4e\u0d4dক\u09cd",
}
DIGITS = "09٣५๑Ⅷ½"
PUNCTUATION = ".,:'’·\"-_!।؟。「」$€"
SPACES = " \u00a0\u3000\u2003\n"
EMOJI = "👩🔬👍🏽🇻🇳❤☎🏴©ℹ"
HANGING = "\u0301\u200c\u200d\ufe0f\u20e3\U000e0067\U000e007f\u0600\u06dd"
LINKED = "1a. '\u0301\u17d2\u1780\u1039\u1000\u102c\u094d\u0915"  # linkers (viramas) with and without consonants

ANY_TEXT = st.one_of(
    st.text(st.sampled_from("".join(LETTERS.values()) + DIGITS + PUNCTUATION + SPACES + EMOJI + HANGING)),
    *(st.text(st.sampled_from(letters + "a1.'’s" + SPACES + HANGING)) for letters in LETTERS.values()),
    st.text(st.sampled_from(LINKED)),
    st.text(),
)
EXAMPLES = [
    "1\u17d2\u1780",
    "1\u102c\u1039\u1000",
    ".\u094d\u0915",
    ".\u0301\u094d\u0915",
    "👩‍🔬a\u200d👩",
    "a👍🏽🏽",
    "1️⃣2",
    " \u0301a",
    "\u0600 \u0600!",
    "क्\u200dष’s\u0301",
    "ൎ!",
    "ℹ\u200d👩 x",
]


def boundaries_of_clusters(text: str) -> set[int]:
    return {0, *(match.end() for match in regex.finditer(r"\X", text))}


def check_words(text: str, words: list[tuple[int, int]]) -> None:
    covered = [place for start, end in words for place in range(start, end)]
    assert covered == [place for place, character in enumerate(text) if not character.isspace()]
    assert all(start < end for start, end in words)
    clusters = boundaries_of_clusters(text)
    # A mark after a space, and a space after a prepended sign, form one cluster with the space, which is in no word.
    assert all(start in clusters or text[start - 1].isspace() for start, _ in words)
    assert all(end in clusters or text[end].isspace() for _, end in words)


def with_examples(test: Callable[[], None]) -> Callable[[], None]:
    for text in EXAMPLES:
        test = example(text)(test)
    return test


@with_examples
@given(ANY_TEXT)
@settings(max_examples=500, deadline=None, derandomize=True)
def test_words_cover_a_text_and_cut_no_cluster(text: str) -> None:
    check_words(text, segment(text))


@pytest.mark.skipif(importlib.util.find_spec("icu4py") is None, reason="needs the extra `asian`")
@pytest.mark.parametrize("language", ["zh", "ja", "th", "lo", "km", "my"])
@given(text=ANY_TEXT)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_so_do_words_by_dictionary(language: str, text: str) -> None:
    check_words(text, segment(text, language))


@given(ANY_TEXT)
@settings(max_examples=500, deadline=None, derandomize=True)
def test_words_depend_on_their_neighbourhood_only(text: str) -> None:
    # An emoji in the line makes the whole line take the pattern for any text.
    assert segment(f"{text} 😀")[:-1] == segment(text)


@given(ANY_TEXT)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_words_do_not_cross_white_space(text: str) -> None:
    pieces = {piece for start, end in segment(text) for piece in [text[start:end]]}
    assert all(piece.split() == [piece] for piece in pieces)
