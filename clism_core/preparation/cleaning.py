"""Cleaning of a sentence pair, and what makes it unfit."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Annotated

import regex
from annotated_types import Ge, Le

from clism_core.preparation.schema import RejectReason
from clism_core.utils.words import Word

# What shows nothing and hides a word from its twin: soft hyphens, direction marks, zero-width spaces, byte order marks.
# The joiners U+200C and U+200D stay, for they change the word.
_INVISIBLE = regex.compile(
    r"[[\p{Cf}&&\p{Default_Ignorable_Code_Point}]--[\u200c\u200d\p{Emoji_Component}]]", flags=regex.VERSION1
)
_CONTROL = regex.compile(r"[\p{Cc}--\t\n\v\f\r\x85]", flags=regex.VERSION1)
_MOST_WORDS = 1023  # eflomal gives longer sentences an empty alignment
_REPLACEMENT_CHARACTER = "\ufffd"


@dataclass
class CleaningConfig:
    """What a sentence may be."""

    max_characters: Annotated[int, Ge(1)] = 2000
    """Longest source or target, in code points."""
    max_words: Annotated[int, Ge(1), Le(_MOST_WORDS)] = 200
    """Longest source or target, in words; below 1,024, from which on eflomal aligns nothing."""
    wrong_language: bool = True
    """Reject what is surely in another language, or in another script, than it is said to be in."""


def clean(text: str) -> str:
    """Return `text` in NFC, without invisible characters, its runs of white space one space each.

    It has the same words between spaces as before, unless one was made of invisible characters only.
    """
    # Nothing invisible is printable to Python, nor is white space but the space: the usual case, told at once.
    if text.isprintable() and "  " not in text:
        return unicodedata.normalize("NFC", text.strip(" "))
    return unicodedata.normalize("NFC", " ".join(_INVISIBLE.sub("", text).split()))


def text_reason(source: str, target: str, *, cleaned_source: str, cleaned_target: str) -> RejectReason | None:
    """Return why a pair is unfit by its text alone, None where it is not."""
    if _REPLACEMENT_CHARACTER in source or _REPLACEMENT_CHARACTER in target:
        return RejectReason.INVALID_UTF8
    if _has_control_characters(source) or _has_control_characters(target):
        return RejectReason.CONTROL_CHARACTERS
    if not cleaned_source:
        return RejectReason.EMPTY_SOURCE
    if not cleaned_target:
        return RejectReason.EMPTY_TARGET
    if _are_same_but_for_case(cleaned_source, cleaned_target):
        return RejectReason.UNTRANSLATED
    return None


def _has_control_characters(text: str) -> bool:
    return not text.isprintable() and _CONTROL.search(text) is not None


def _are_same_but_for_case(one: str, other: str) -> bool:
    # Their first characters nearly always tell them apart.
    return one[0].casefold()[0] == other[0].casefold()[0] and one.casefold() == other.casefold()


def is_too_long(text: str, words: list[Word], config: CleaningConfig) -> bool:
    """Tell whether `text` has more characters or words than allowed."""
    return len(text) > config.max_characters or len(words) > config.max_words
