"""Words and where they stand in a text: what is aligned, and where spans may begin and end.

A word is a half-open range of Unicode code points. Every character that is not white space belongs to exactly one word,
and no word ends inside a grapheme cluster (what a reader sees as one character), except where one begins with a space.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec

import regex
from babel.core import get_global

from clism_core.utils.errors import InputError

Word = tuple[int, int]
"""Start and end (exclusive) of a word, in code points."""

SEGMENTED_LANGUAGES = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my"})
"""Languages written without spaces, whose words ICU finds by dictionary."""

# What CLDR calls `fil` and `ku` has its stop words under these names, and Norwegian under the name of Bokmål.
_OTHER_ALIASES = {"tl": "tl", "tgl": "tl", "kmr": "kmr", "no": "nb", "nor": "nb"}
_TAG_WITH_SCRIPT = re.compile(r"[a-z]{2,3}(?:[-_][a-z]{3})?[-_]([a-z]{4})(?![^-_])", flags=re.IGNORECASE)

# Sets of characters. The spaceless scripts have no spaces between words; their digits are as everybody's.
_SPACELESS = r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]--\p{Nd}]"
# What belongs to the letter after it, such as the Arabic number sign.
_PREPENDED = r"\p{Grapheme_Cluster_Break=Prepend}"
# U+2139 is a letter to Unicode, but begins emoji.
_LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}]--{_SPACELESS}--{_PREPENDED}--\u2139]"
_DIGIT = r"[\p{N}--\p{Han}]"
# What hangs on the character before it: marks (Arabic vowels, Hindi matras), joiners (ZWNJ in Persian, ZWJ in Hindi),
# Thai vowels, half-width voicing marks, skin tones and tags.
_HANGING = r"[\p{M}\p{Grapheme_Cluster_Break=Extend}\p{Grapheme_Cluster_Break=SpacingMark}\u200d]"
_WHITE_SPACE = r"[\s\x1c-\x1f]"  # as `str.split` sees it


def _word_pattern(*, letter: str, digit: str, hanging: str, before_letter: str, other: str) -> str:
    """Return the pattern of a word for `re` or `regex`; `letter`, `digit` and `hanging` go into sets of characters."""
    letters = rf"(?:{before_letter}[{letter}][{letter}{hanging}]*+)++"
    number = rf"{before_letter}[{digit}][{digit}{hanging}]*+"
    possessive = rf"[sS](?![{letter}{hanging}])"
    return rf"""
    # 3.14, 10:30, 1,000, ٣٫١٤
      {number}(?:[.,:٫٬]{number})++
    # don't, rock'n'roll, col·lecció; but the possessive of "Italy's" is a word of its own, for names end before it.
    | {letters}(?:['’·](?!{possessive}){letters})*+
    | (?<=[{letter}{hanging}])['’]{possessive}
    | {other}
    """


def _basic_plane(characters: str) -> str:
    """Return the set `characters` of the `regex` module as ranges of the basic plane, to stand in a set of `re`."""
    plane = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x10000))))
    runs = regex.finditer(rf"{characters}++", plane, flags=regex.VERSION1)
    return "".join(rf"\u{ord(run[0][0]):04x}-\u{ord(run[0][-1]):04x}" for run in runs)


def _compiled(*, spaceless: str) -> regex.Pattern[str]:
    # `\X` knows all rules of grapheme clusters, at a price.
    return regex.compile(
        _word_pattern(
            letter=_LETTER,
            digit=_DIGIT,
            hanging=_HANGING,
            before_letter=rf"{_PREPENDED}*+",
            # Spaceless scripts; what should precede a letter and does not; punctuation, symbols, emoji.
            other=rf"{spaceless} | {_PREPENDED}++(?={_WHITE_SPACE}|\Z) | (?!{_WHITE_SPACE})\X{_HANGING}*+",
        ),
        flags=regex.VERBOSE | regex.VERSION1,
    )


_WORD = _compiled(spaceless=rf"(?={_SPACELESS})\X")
_WORD_OR_RUN = _compiled(spaceless=rf"(?P<run>(?:(?={_SPACELESS})\X)++)")

# Most text holds nothing that takes `\X` to understand. `re` cuts it in the same words, four times as fast.
_ORDINARY_CHARACTERS = _basic_plane(rf"[^{_SPACELESS}{_PREPENDED}\u2139\u200d\x1c-\x1f]")
_ORDINARY = re.compile(f"[{_ORDINARY_CHARACTERS}]*+")
_ORDINARY_HANGING = _basic_plane(_HANGING)
_ORDINARY_WORD = re.compile(
    _word_pattern(
        letter=_basic_plane(_LETTER),
        digit=_basic_plane(_DIGIT),
        hanging=_ORDINARY_HANGING,
        before_letter="",
        other=rf"\S[{_ORDINARY_HANGING}]*+",
    ),
    flags=re.VERBOSE,
)
_CLUSTER = regex.compile(r"\X", flags=regex.VERSION1)


def segment(text: str, language: str | None = None) -> list[Word]:
    """Return the words of `text` from left to right: letters and digits run together, punctuation stands alone.

    Vietnamese is cut in syllables, as it is written. Of the spaceless scripts each character is a word, unless
    `language` is one of `SEGMENTED_LANGUAGES`: then ICU's dictionaries tell the words. Raises `InputError` where ICU is
    wanted and not installed; `check_segmenter` tells it beforehand.
    """
    if _ORDINARY.fullmatch(text):
        return [match.span() for match in _ORDINARY_WORD.finditer(text)]
    if language is None or base_language(language) not in SEGMENTED_LANGUAGES:
        return [match.span() for match in _WORD.finditer(text)]
    return list(_words_by_dictionary(text, language))


def whitespace_tokens(text: str) -> list[Word]:
    """Return the tokens of `text` as `str.split` cuts them: the words of text that somebody else has tokenised."""
    return [match.span() for match in re.finditer(r"\S+", text)]


def check_segmenter(language: str) -> None:
    """Raise `InputError` where the words of `language` are found by dictionary and the package for it is missing."""
    if base_language(language) in SEGMENTED_LANGUAGES and find_spec("icu4py") is None:
        raise InputError(
            f"the words of language {language!r} have no spaces between them: finding them takes the package icu4py, "
            "which is not installed; pip install -e '.[asian]'"
        )


@cache
def base_language(language: str) -> str:
    """Return the shortest code of the language of a tag: `zh` of `zh-TW`, `zh_Hant`, `cmn` and `zho`."""
    code = re.split("[-_]", language, maxsplit=1)[0].lower()
    alias: str = _OTHER_ALIASES.get(code) or get_global("language_aliases").get(code, code)
    return alias.split("_")[0]  # for that of `sh` is `sr_Latn`


@cache
def script_subtag(language: str) -> str | None:
    """Return the script that a tag names: `Hant` of `zh-Hant-TW` and `zh_hant`; None of `zh-TW`."""
    match = _TAG_WITH_SCRIPT.match(language)
    return match[1].title() if match else None


@cache
def _word_breaker(language: str) -> Callable[[str, str], Iterable[tuple[int, int]]]:
    """Return a function from a text and its language to the starts and ends of its words, in UTF-16 units."""
    check_segmenter(language)
    from icu4py.breakers import WordBreaker

    return lambda text, language: WordBreaker(text, language).segments()


def _words_by_dictionary(text: str, language: str) -> Iterator[Word]:
    for match in _WORD_OR_RUN.finditer(text):
        if match["run"] is None:
            yield match.span()
        else:
            yield from _words_of_run(match["run"], match.start(), language)


def _words_of_run(run: str, start: int, language: str) -> Iterator[Word]:
    """Yield the words of `run`, which begins at `start` of its text and is all of a spaceless script."""
    breaks = {end for _, end in _word_breaker(language)(run, language)}
    units, end = 0, start
    for cluster in _CLUSTER.findall(run):
        units += len(cluster.encode("utf-16-le")) // 2
        end += len(cluster)
        if units in breaks:
            yield start, end
            start = end
