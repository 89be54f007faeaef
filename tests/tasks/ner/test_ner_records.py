from typing import Any

import numpy as np
import pytest
from any_text import ANY_TEXT, boundaries_of_clusters
from hypothesis import example, given, settings

from clism_core.tasks.ner.records import find_words, read_record
from clism_core.utils.errors import InputError
from clism_core.utils.words import segment


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("Mary lives in Berlin.", "Mary|lives|in|Berlin|.", id="punctuation stands alone"),
        pytest.param("(Paris), Texas", "(|Paris|)|,|Texas", id="brackets"),
        pytest.param("Italy's Bre-X won 2-0", "Italy|'s|Bre-X|won|2-0", id="hyphens join, possessives do not"),
        pytest.param("AT&T 2010–11 O'Neill-Smith", "AT&T|2010–11|O'Neill-Smith", id="ampersand and dash join"),
        pytest.param("the U.S. won", "the|U.S.|won", id="initials"),
        pytest.param("in the U.S.", "in|the|U.S.", id="initials at the end"),
        pytest.param("George W. Bush", "George|W.|Bush", id="one initial"),
        pytest.param("Malcolm X.", "Malcolm|X|.", id="the full stop of a sentence"),
        pytest.param("J.J.Smith U.S.-led", "J.J.Smith|U.S.-led", id="initials in a word"),
        pytest.param("He ended.Then 3.5 -x- --", "He|ended|.|Then|3.5|-|x|-|-|-", id="what joins nothing"),
        pytest.param("ولدت ماري سميث في باريس.", "ولدت|ماري|سميث|في|باريس|.", id="ar"),
        pytest.param("मैरी स्मिथ का जन्म", "मैरी|स्मिथ|का|जन्म", id="hi"),
        pytest.param("现居T-柏林1984年。", "现|居|T|-|柏|林|1984|年|。", id="zh"),
        pytest.param("ที่ปารีส", "ที่|ป|า|รี|ส", id="th: what a reader sees as one character"),
        pytest.param(" \n\t", "", id="white space"),
        pytest.param("", "", id="empty"),
    ],
)
def test_words_of_a_text(text: str, words: str) -> None:
    assert [text[start:end] for start, end in find_words(text)] == [word for word in words.split("|") if word]


def test_words_are_concatenations_of_segments() -> None:
    text = "The U.S.-based Bre-X, AT&T and Smith-O'Neill's 玛丽·史密斯 met on 1996-12-06."
    edges = {edge for word in segment(text) for edge in word}
    assert {edge for word in find_words(text) for edge in word} <= edges
    assert [text[a:b] for a, b in find_words(text)] != [text[a:b] for a, b in segment(text)]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        pytest.param({}, "record 7: has neither text nor tokens", id="neither"),
        pytest.param({"text": None, "other": 1}, "record 7: has neither", id="null is as if it were not there"),
        pytest.param({"text": "a", "tokens": ["a"]}, "record 7: has both text and tokens", id="both"),
        pytest.param({"text": float("nan")}, "record 7: text is float", id="a number as text"),
        pytest.param(
            {"text": "a\ud800"}, r"record 7: text contains a lone surrogate \(half of a pair\) at 1", id="surrogate"
        ),
        pytest.param({"tokens": "Mary"}, "record 7: tokens is str", id="a string as tokens"),
        pytest.param({"tokens": ["a", ""]}, "record 7: tokens: token 2 is empty", id="an empty token"),
        pytest.param({"tokens": ["a", 3]}, "record 7: tokens: token 2 is int", id="a number as token"),
        pytest.param(
            {"tokens": ["\udfff"]}, "record 7: tokens: token 1 contains a lone surrogate", id="a token with a surrogate"
        ),
    ],
)
def test_invalid_records_are_rejected(record: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_record(record, place="record 7")


@pytest.mark.parametrize(
    "tokens",
    [["New", "York"], ("New", "York"), np.array(["New", "York"], dtype=object)],
    ids=["list", "tuple", "array"],
)
def test_tokens_may_be_any_sequence(tokens: Any) -> None:
    given = read_record({"tokens": tokens, "text": None}, place="record 1")
    assert list(given.words) == ["New", "York"]
    assert given.place(0, 2) == {"text": "New York", "start": 0, "end": 2}


def test_an_entity_text_keeps_its_original_spacing() -> None:
    given = read_record({"text": "in  New\u00a0 York."}, place="record 1")
    assert given.place(1, 3) == {"text": "New\u00a0 York", "start": 4, "end": 13}


@example("Zu\u0308rich A\u0301.B\u0301.C\u0301 cafe\u0301")
@example("1\u17d2\u1780-2")
@given(ANY_TEXT)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_words_cut_no_character(text: str) -> None:
    clusters = boundaries_of_clusters(text)
    for start, end in find_words(text):
        assert start in clusters or text[start - 1].isspace()
        assert end in clusters or text[end].isspace()
