"""Word segmentation: the units of alignment, and the boundaries at which spans may begin and end.

A word is a half-open range of Unicode code points. Every character that is not white space belongs to exactly one word,
and no word ends inside a grapheme cluster (a user-perceived character), except if the cluster begins with a space.
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
"""Languages written without spaces, which ICU segments by dictionary."""

# Exceptions to CLDR's aliases (`fil` for Tagalog, `ku` for Northern Kurdish): the codes under which stop words are
# published, for Norwegian that of Bokmål.
_OTHER_ALIASES = {"tl": "tl", "tgl": "tl", "kmr": "kmr", "no": "nb", "nor": "nb"}
_TAG_WITH_SCRIPT = re.compile(r"[a-z]{2,3}(?:[-_][a-z]{3})?[-_]([a-z]{4})(?![^-_])", flags=re.IGNORECASE)

# Sets of characters. The spaceless scripts have no spaces between words; their digits are treated like all others.
_SPACELESS = r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]--\p{Nd}]"
# Characters that attach to the one after them, such as the Arabic number sign.
_PREPENDED = r"\p{Grapheme_Cluster_Break=Prepend}"
# U+2139 is a letter in Unicode, but starts emoji sequences.
_LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}]--{_SPACELESS}--{_PREPENDED}--\u2139]"
_DIGIT = r"[\p{N}--\p{Han}]"
# Characters that attach to the one before them: marks (Arabic vowels, Hindi matras), joiners (ZWNJ in Persian, ZWJ in
# Hindi), Thai vowels, half-width voicing marks, skin tones and tags.
_HANGING = r"[\p{M}\p{Grapheme_Cluster_Break=Extend}\p{Grapheme_Cluster_Break=SpacingMark}\u200d]"
_WHITE_SPACE = r"[\s\x1c-\x1f]"  # as `str.split` sees it


def _word_pattern(*, letter: str, hanging: str, letters: str, number: str, other: str) -> str:
    """Return the pattern of a word for `re` or `regex`.

    `letter` and `hanging` are contents of `[...]`; `letters` and `number` are patterns of runs of letters (and digits)
    and of digits, with their hanging characters.
    """
    possessive = rf"[sS](?![{letter}{hanging}])"
    return rf"""
    # 3.14, 10:30, 1,000, ٣٫١٤
      {number}(?:[.,:٫٬]{number})++
    # don't, rock'n'roll, col·lecció; but the possessive of "Italy's" is a separate word, since names end before it.
    | {letters}(?:['’·](?!{possessive}){letters})*+
    | (?<=[{letter}{hanging}])['’]{possessive}
    | {other}
    """


def _basic_plane(characters: str) -> str:
    """Convert a character set of the `regex` module to ranges of the basic plane, for use in a set of `re`."""
    plane = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x10000))))
    runs = regex.finditer(rf"{characters}++", plane, flags=regex.VERSION1)
    return "".join(rf"\u{ord(run[0][0]):04x}-\u{ord(run[0][-1]):04x}" for run in runs)


def _compiled(*, spaceless: str) -> regex.Pattern[str]:
    # `\X` implements all rules of grapheme clusters, but is slow. The cluster of a letter or digit may end with a
    # consonant of a spaceless script: in Khmer, a subscript may follow a digit.
    hanging = rf"(?:(?={_HANGING})\X)"
    return regex.compile(
        _word_pattern(
            letter=_LETTER,
            hanging=_HANGING,
            letters=rf"(?:{_PREPENDED}*+(?={_LETTER})\X{hanging}*+)++",
            number=rf"{_PREPENDED}*+(?:(?={_DIGIT})\X{hanging}*+)++",
            # Spaceless scripts; prepended characters without a letter after them; punctuation, symbols, emoji.
            other=rf"{spaceless} | {_PREPENDED}++(?={_WHITE_SPACE}|\Z) | (?!{_WHITE_SPACE})\X{hanging}*+",
        ),
        flags=regex.VERBOSE | regex.VERSION1,
    )


_WORD = _compiled(spaceless=rf"(?={_SPACELESS})\X")
_WORD_OR_RUN = _compiled(spaceless=rf"(?P<run>(?:(?={_SPACELESS})\X)++)")

# Most text needs no `\X`. For such text, `re` finds the same words four times as fast.
_ORDINARY_CHARACTERS = _basic_plane(rf"[^{_SPACELESS}{_PREPENDED}\u2139\u200d\x1c-\x1f]")
_ORDINARY = re.compile(f"[{_ORDINARY_CHARACTERS}]*+")
_ORDINARY_LETTER, _ORDINARY_DIGIT, _ORDINARY_HANGING = map(_basic_plane, (_LETTER, _DIGIT, _HANGING))
_ORDINARY_WORD = re.compile(
    _word_pattern(
        letter=_ORDINARY_LETTER,
        hanging=_ORDINARY_HANGING,
        letters=f"[{_ORDINARY_LETTER}][{_ORDINARY_LETTER}{_ORDINARY_HANGING}]*+",
        number=f"[{_ORDINARY_DIGIT}][{_ORDINARY_DIGIT}{_ORDINARY_HANGING}]*+",
        other=rf"\S[{_ORDINARY_HANGING}]*+",
    ),
    flags=re.VERBOSE,
)
# A linker (virama) joins the consonant after it, also to a symbol or space before it.
_ORDINARY_LINKER = _basic_plane(r"\p{Indic_Conjunct_Break=Linker}")
_LINKER = re.compile(f"[{_ORDINARY_LINKER}]")
_LINKED_SYMBOL = re.compile(
    rf"(?:\A|[^{_ORDINARY_LETTER}{_ORDINARY_HANGING}])[{_ORDINARY_HANGING}]*?[{_ORDINARY_LINKER}]"
)
_CLUSTER = regex.compile(r"\X", flags=regex.VERSION1)


def segment(text: str, language: str | None = None) -> list[Word]:
    """Return the words of `text` from left to right: runs of letters and digits, and single punctuation marks.

    Vietnamese is split into syllables, as it is written. In the spaceless scripts each character is a word, unless
    `language` is one of `SEGMENTED_LANGUAGES`, which are segmented by ICU's dictionaries. Raises `InputError` if ICU is
    needed and not installed; `check_segmenter` checks this in advance.
    """
    if _ORDINARY.fullmatch(text) and not (_LINKER.search(text) and _LINKED_SYMBOL.search(text)):
        return [match.span() for match in _ORDINARY_WORD.finditer(text)]
    if language is None or base_language(language) not in SEGMENTED_LANGUAGES:
        return [match.span() for match in _WORD.finditer(text)]
    return list(_words_by_dictionary(text, language))


def whitespace_tokens(text: str) -> list[Word]:
    """Return the ranges of the tokens of `str.split`: the words of text that is already tokenised."""
    return [match.span() for match in re.finditer(r"\S+", text)]


def check_segmenter(language: str) -> None:
    """Raise `InputError` if `language` is segmented by dictionary and the package for that is missing."""
    if base_language(language) in SEGMENTED_LANGUAGES and find_spec("icu4py") is None:
        raise InputError(
            f"language {language!r} is written without spaces: word segmentation needs the package icu4py, which is "
            "not installed; pip install -e '.[asian]'"
        )


@cache
def base_language(language: str) -> str:
    """Return the shortest code of a tag's language: `zh` for `zh-TW`, `zh_Hant`, `cmn` and `zho`."""
    code = re.split("[-_]", language, maxsplit=1)[0].lower()
    alias: str = _OTHER_ALIASES.get(code) or get_global("language_aliases").get(code, code)
    return alias.split("_")[0]  # the alias of `sh` is `sr_Latn`


@cache
def script_subtag(language: str) -> str | None:
    """Return the script subtag of a tag: `Hant` for `zh-Hant-TW` and `zh_hant`, None for `zh-TW`."""
    match = _TAG_WITH_SCRIPT.match(language)
    return match[1].title() if match else None


@cache
def _word_breaker(language: str) -> Callable[[str, str], Iterable[tuple[int, int]]]:
    """Return a function that maps a text and its language to the starts and ends of its words, in UTF-16 units."""
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
    """Yield the words of `run`, a stretch of spaceless script that begins at offset `start` of the text."""
    breaks = {end for _, end in _word_breaker(language)(run, language)}
    units, end = 0, start
    for cluster in _CLUSTER.findall(run):
        units += len(cluster.encode("utf-16-le")) // 2
        end += len(cluster)
        if units in breaks:
            yield start, end
            start = end
