"""Input records of NER: a text or a list of tokens."""

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
# "U.S.", "J.J.Smith", the "W." of "George W. Bush"; at the end of a text, the full stop after a single capital belongs
# to the sentence.
_INITIALS = rf"(?<!{_LETTER_OR_DIGIT}) (?: (?:{_LETTER}\.){{2,}}+ | \p{{Lu}}\.(?!\s*+\Z) ) {_LETTER_OR_DIGIT}*+"
_PIECE = rf"(?: {_INITIALS} | {_LETTER_OR_DIGIT}++ )"
_ONE_WORD = regex.compile(rf"{_PIECE} (?:[-‐‑–&]{_PIECE})*+", flags=regex.VERBOSE | regex.VERSION1)


@dataclass(frozen=True)
class Words:
    """Words of a record; `ranges` are their characters in `text`, None if the record has tokens."""

    words: Sequence[str]
    text: str = ""
    ranges: Sequence[Word] | None = None

    def place(self, start: int, end: int) -> dict[str, Any]:
        """Return `text`, `start` and `end` of the words [start, end), in characters or in tokens."""
        if self.ranges is None:
            return {"text": " ".join(self.words[start:end]), "start": start, "end": end}
        first, last = self.ranges[start][0], self.ranges[end - 1][1]
        return {"text": self.text[first:last], "start": first, "end": last}


def read_record(record: Mapping[str, Any], *, place: str) -> Words:
    """Return the words of a record with `text` or `tokens`; None counts as missing.

    Raises:
        InputError: if the record has neither or both, `text` is not a string, or `tokens` is not a list of non-empty
            strings.
    """
    fields = {key: record[key] for key in ("text", "tokens") if record.get(key) is not None}
    if len(fields) != 1:
        raise InputError(f"{place}: has {'both text and' if fields else 'neither text nor'} tokens; give one of them")
    if "tokens" in fields:
        return Words(check_tokens(fields["tokens"], place=f"{place}: tokens"))
    text = fields["text"]
    if not isinstance(text, str):
        raise InputError(f"{place}: text is {type(text).__name__}; give a string")
    _check_characters(text, place=f"{place}: text")
    ranges = find_words(text)
    return Words([text[start:end] for start, end in ranges], text, ranges)


def find_words(text: str) -> list[Word]:
    """Return the words of a text, in code points from left to right, with a segmentation similar to CoNLL's.

    Words follow `clism_core.utils.words.segment`, in which punctuation is separate ("Berlin." is "Berlin" and "."),
    "Italy's" is "Italy" and "'s", and scripts without spaces are split into characters. In addition, parts joined by a
    hyphen, a dash or an ampersand without spaces form one word ("Bre-X", "2-0", "AT&T"), and so do initials ("U.S.",
    "W.").
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
    """Return a list of tokens; raises `InputError` unless it is a list, tuple or array of non-empty strings."""
    if not isinstance(tokens, list | tuple | np.ndarray):
        raise InputError(f"{place} is {type(tokens).__name__}; give a list of strings")
    for number, token in enumerate(tokens, start=1):
        if not isinstance(token, str) or not token:
            problem = f"is {type(token).__name__}" if not isinstance(token, str) else "is empty"
            raise InputError(f"{place}: token {number} {problem}; give a non-empty string")
        _check_characters(token, place=f"{place}: token {number}")
    return list(tokens)


def _check_characters(text: str, *, place: str) -> None:
    match = LONE_SURROGATE.search(text)
    if match:
        raise InputError(
            f"{place} contains a lone surrogate (half of a pair) at {match.start()}, which is not a valid character; "
            "replace it, or decode the text again with the right encoding"
        )
