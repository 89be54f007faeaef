"""Properties of the offsets of any text, for tokenizers that leave characters out or cut them."""

import pytest
import regex
from any_text import ANY_TEXT, boundaries_of_clusters
from hypothesis import given, settings
from lossy_tokenizers import KINDS, lossy_tokenizer
from tiny import TEXTS
from tokenizers import decoders

from clism_core.model.tokenizer import TextTokenizer, token_span
from clism_core.utils.words import segment

SENTENCES = [
    pytest.param(TEXTS[0], id="en"),
    pytest.param(TEXTS[2], id="ar"),
    pytest.param("قَالَ مُحَمَّدٌ: «نَعَمْ»", id="ar with vowels"),
    pytest.param(TEXTS[3], id="hi"),
    pytest.param("वे दिल्ली में हैं, क्योंकि ज़रूरत है।", id="hi with conjuncts"),
    pytest.param(TEXTS[4], id="zh"),
    pytest.param(TEXTS[5], id="ja"),
    pytest.param("か\u3099くせい が ｶﾞｽ を", id="ja with voicing marks"),
    pytest.param(TEXTS[6], id="th"),
    pytest.param("ที่นี่ น้ำ ผู้ใหญ่", id="th with vowels"),
    pytest.param("ភ្នំពេញ គឺជា រាជធានី 1\u17d2កខ", id="km"),
    pytest.param("Zu\u0308rich, cafe\u0301 in Potsdam. Đo\u0323\u0302c", id="decomposed"),
    pytest.param("👩‍🔬 in Paris 🇻🇳, ❤️ 1️⃣ 👍🏽", id="emoji"),
    pytest.param("می\u200cخواهم در \u200bتهران\u00ad", id="invisible characters"),
    pytest.param("한국 \u1112\u1161\u11ab ﷺ ﬁn ½", id="compatibility characters"),
]
# White space, and invisible characters, which neither begin nor end an answer.
_BLANKS = regex.compile(r"[\s\p{Grapheme_Cluster_Break=Control}\u200c\u200d]+")


def words(text: str) -> list[tuple[int, int]]:
    return [(start, end) for start, end in segment(text) if _BLANKS.sub("", text[start:end])]


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANY_TEXT)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_tokens_have_whole_clusters_without_white_space(kind: str, text: str) -> None:
    clusters = boundaries_of_clusters(text)
    for start, end in TextTokenizer(lossy_tokenizer(kind))(text).offsets:
        if start < end:
            assert start in clusters or _BLANKS.match(text, start - 1)
            assert end in clusters or _BLANKS.match(text, end)
            assert text[start:end].strip() == text[start:end]


@pytest.mark.parametrize("kind", ["bytes", "bytes-of-words"])
@given(text=ANY_TEXT)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_tokens_of_a_word_have_its_bytes(kind: str, text: str) -> None:
    tokenizer = lossy_tokenizer(kind)
    ids, offsets = TextTokenizer(tokenizer)(text)
    for start, end in words(text):
        span = token_span(offsets, start, end)
        if span is None:
            assert any(left < edge < right for edge in (start, end) for left, right in offsets)
        else:
            decoded = decoders.ByteLevel().decode(tokenizer.convert_ids_to_tokens(ids[span.start : span.end]))
            assert _BLANKS.sub("", decoded) == _BLANKS.sub("", text[start:end])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", SENTENCES)
def test_words_round_trip(kind: str, text: str) -> None:
    """A word, or a run of words of a script without spaces, is what its tokens cover."""
    _, offsets = TextTokenizer(lossy_tokenizer(kind))(text)
    pieces = [match.span() for match in regex.finditer(r"[^\s\p{P}]+", text)]
    for start, end in pieces:
        span = token_span(offsets, start, end)
        if span is None:  # no token for the whole word, or one token for an unknown character and the mark after it
            inside = [offset for offset in offsets if start < offset[1] and offset[0] < end]
            assert (kind, bool(inside)) in [("no-unknown", False), ("sentencepiece", True)]
            continue
        covered = [offset for offset in offsets[span.start : span.end] if offset[0] < offset[1]]
        found = text[covered[0][0] : max(right for _, right in covered)]
        assert _BLANKS.sub("", found) == _BLANKS.sub("", text[start:end])
