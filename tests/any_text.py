"""Texts of all kinds of scripts and characters, for tests of properties."""

import regex
from hypothesis import strategies as st

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


def boundaries_of_clusters(text: str) -> set[int]:
    return {0, *(match.end() for match in regex.finditer(r"\X", text))}
