"""Properties of the words of any text."""

import importlib.util
from collections.abc import Callable

import pytest
from any_text import ANY_TEXT, boundaries_of_clusters
from hypothesis import example, given, settings

from clism_core.utils.words import segment

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
