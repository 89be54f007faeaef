"""What entities are looked for in: a text, or a list of tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import regex

from clism_core.utils.errors import InputError
from clism_core.utils.text import LONE_SURROGATE
from clism_core.utils.words import Word, segment

_SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]"
_LETTER = rf"[[\p{{L}}\p{{M}}]--{_SPACELESS}]"
_LETTER_OR_DIGIT = rf"[[\p{{L}}\p{{M}}\p{{N}}]--{_SPACELESS}]"
# "U.S.", "J.J.Smith", the "W." of "George W. Bush"; but at the end of a text, the full stop after a single capital
# is the sentence's.
_INITIALS = rf"(?<!{_LETTER_OR_DIGIT}) (?: (?:{_LETTER}\.){{2,}}+ | \p{{Lu}}\.(?!\s*+\Z) ) {_LETTER_OR_DIGIT}*+"
_PIECE = rf"(?: {_INITIALS} | {_LETTER_OR_DIGIT}++ )"
_ONE_WORD = regex.compile(rf"{_PIECE} (?:[-‐‑–&]{_PIECE})*+", flags=regex.VERBOSE | regex.VERSION1)


@dataclass(frozen=True)
class Words:
    """The words of a record; `ranges` are their characters in `text`, or None where the record has tokens."""

    words: Sequence[str]
    text: str = ""
    ranges: Sequence[Word] | None = None

    def place(self, start: int, end: int) -> dict[str, Any]:
        """Return `text`, `start` and `end` of the words [start, end): in characters, or in tokens."""
        if self.ranges is None:
            return {"text": " ".join(self.words[start:end]), "start": start, "end": end}
        first, last = self.ranges[start][0], self.ranges[end - 1][1]
        return {"text": self.text[first:last], "start": first, "end": last}


def read_record(record: Mapping[str, Any], *, place: str) -> Words:
    """Return the words of a record that has `text` or `tokens`, where None is as if it were not there.

    Raises:
        InputError: if it has neither or both, or what it has is no string, or no list of strings that are not empty.
    """
    given = {key: record[key] for key in ("text", "tokens") if record.get(key) is not None}
    if len(given) != 1:
        raise InputError(f"{place}: has {'both text and' if given else 'neither text nor'} tokens; give one of them")
    if "tokens" in given:
        return Words(check_tokens(given["tokens"], place=f"{place}: tokens"))
    text = given["text"]
    if not isinstance(text, str):
        raise InputError(f"{place}: text is of the type {type(text).__name__}; give a string")
    _check_characters(text, place=f"{place}: text")
    ranges = find_words(text)
    return Words([text[start:end] for start, end in ranges], text, ranges)


def find_words(text: str) -> list[Word]:
    """Return the words of a text, in code points from left to right, much as those of CoNLL are cut.

    They are those of `clism_core.utils.words.segment`, where punctuation stands alone ("Berlin." is "Berlin" and "."),
    "Italy's" is "Italy" and "'s", and scripts without spaces are cut into characters; except that what a hyphen, a dash
    or an ampersand joins without spaces is one word ("Bre-X", "2-0", "AT&T"), and so are initials ("U.S.", "W.").
    """
    joined = {place for match in _ONE_WORD.finditer(text) for place in range(match.start() + 1, match.end())}
    words: list[Word] = []
    for start, end in segment(text):
        if start in joined:
            words[-1] = (words[-1][0], end)
        else:
            words.append((start, end))
    return words


def check_tokens(tokens: Any, *, place: str) -> list[str]:
    """Return a list of tokens; raises `InputError` where it is no list or array, or a token is no string or empty."""
    if not isinstance(tokens, list | tuple | np.ndarray):
        raise InputError(f"{place} is of the type {type(tokens).__name__}; give a list of strings")
    for number, token in enumerate(tokens, start=1):
        if not isinstance(token, str) or not token:
            wrong = f"is of the type {type(token).__name__}" if not isinstance(token, str) else "is empty"
            raise InputError(f"{place}: token {number} {wrong}; give a string of at least one character")
        _check_characters(token, place=f"{place}: token {number}")
    return list(tokens)


def _check_characters(text: str, *, place: str) -> None:
    found = LONE_SURROGATE.search(text)
    if found:
        raise InputError(
            f"{place} has half of a surrogate pair at {found.start()}, which is no character; replace it, or read the "
            "file in its own encoding"
        )
