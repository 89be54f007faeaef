"""Cleaning of sentence pairs, and rejection by their text alone."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Annotated

import regex
from annotated_types import Ge, Le

from clism_core.preparation.schema import RejectReason
from clism_core.utils.words import Word

# Invisible characters that make equal words differ: soft hyphens, direction marks, zero-width spaces, byte order marks.
# The joiners U+200C and U+200D are kept, because they change the word.
_INVISIBLE = regex.compile(
    r"[[\p{Cf}&&\p{Default_Ignorable_Code_Point}]--[\u200c\u200d\p{Emoji_Component}]]", flags=regex.VERSION1
)
_CONTROL = regex.compile(r"[\p{Cc}--\t\n\v\f\r\x85]", flags=regex.VERSION1)
_MAX_WORDS = 1023  # eflomal returns an empty alignment for longer sentences
_REPLACEMENT_CHARACTER = "\ufffd"


@dataclass
class CleaningConfig:
    """Cleaning of sentences, and limits on those of a pair."""

    max_characters: Annotated[int, Ge(1)] = 2000
    """Maximum length of source and target in code points."""
    max_words: Annotated[int, Ge(1), Le(_MAX_WORDS)] = 200
    """Maximum length of source and target in words; below 1,024, because eflomal does not align longer sentences."""
    markup: bool = True
    """Whether to remove the residue of markup and tokenizers, such as `&quot;`, `<b>`, `@-@` and `Lind@@ qvist`."""
    wrong_language: bool = True
    """Whether to reject sentences that are certainly not in the configured language or its script."""


def clean(text: str) -> str:
    """Return `text` in NFC, without invisible characters, and with each run of white space replaced by one space.

    The number of space-separated words does not change, unless a word consists of invisible characters only.
    """
    # Fast path for most texts: in Python, the only printable white space is the space, and invisible characters are
    # not printable.
    if text.isprintable() and "  " not in text:
        return unicodedata.normalize("NFC", text.strip(" "))
    return unicodedata.normalize("NFC", " ".join(_INVISIBLE.sub("", text).split()))


def text_reason(source: str, target: str, *, cleaned_source: str, cleaned_target: str) -> RejectReason | None:
    """Return the reason to reject a pair by its text alone; None if there is none."""
    if _REPLACEMENT_CHARACTER in source or _REPLACEMENT_CHARACTER in target:
        return RejectReason.INVALID_UTF8
    if _has_control_characters(source) or _has_control_characters(target):
        return RejectReason.CONTROL_CHARACTERS
    if not cleaned_source:
        return RejectReason.EMPTY_SOURCE
    if not cleaned_target:
        return RejectReason.EMPTY_TARGET
    if _are_equal_ignoring_case(cleaned_source, cleaned_target):
        return RejectReason.UNTRANSLATED
    return None


def _has_control_characters(text: str) -> bool:
    return not text.isprintable() and _CONTROL.search(text) is not None


def _are_equal_ignoring_case(one: str, other: str) -> bool:
    # Fast path: different texts nearly always differ in their first characters.
    return one[0].casefold()[0] == other[0].casefold()[0] and one.casefold() == other.casefold()


def is_too_long(text: str, words: list[Word], config: CleaningConfig) -> bool:
    """Return whether `text` has more characters or words than allowed."""
    return len(text) > config.max_characters or len(words) > config.max_words
