"""Words and where they stand in a text: what is aligned, and where spans may begin and end.

A word is a half-open range of Unicode code points. Every character that is not white space belongs to exactly one word.
"""

import regex

Word = tuple[int, int]
"""Start and end (exclusive) of a word, in code points."""

# A letter or digit with what hangs on it: marks (Arabic vowels, Hindi matras), joiners (ZWNJ in Persian, ZWJ in Hindi).
_LETTERS = r"(?:[\p{L}\p{M}\p{N}][\p{M}\u200c\u200d]*)+"

_WORD = regex.compile(
    rf"""
    # Scripts written without spaces: every character with its marks.
      [\p{{Han}}\p{{Hiragana}}\p{{Katakana}}\p{{Thai}}\p{{Lao}}\p{{Khmer}}\p{{Myanmar}}]\p{{M}}*
    # 3.14, 10:30, 1,000, ٣٫١٤
    | \p{{N}}+(?:[.,:٫٬]\p{{N}}+)+
    # don't, rock'n'roll; but the possessive of "Italy's" is a word of its own, for names end before it.
    | {_LETTERS}(?:['’](?!s\b){_LETTERS})*
    | (?<=\p{{L}})['’]s\b
    # Punctuation, symbols, emoji.
    | (?!\s)\X
    """,
    flags=regex.VERBOSE | regex.IGNORECASE | regex.VERSION1,
)


def segment(text: str) -> list[Word]:
    """Return the words of `text` from left to right: letters and digits run together, punctuation stands alone."""
    return [match.span() for match in _WORD.finditer(text)]


def whitespace_tokens(text: str) -> list[Word]:
    """Return the tokens of `text` as `str.split` cuts them: the words of text that somebody else has tokenised."""
    return [match.span() for match in regex.finditer(r"\S+", text)]
