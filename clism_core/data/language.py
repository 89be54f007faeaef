"""Sentences that are surely not in the language they are said to be in.

Only what is sure counts: names, codes, titles and quotations stand untranslated in good translations. A sentence is
judged by its script, for a translation into Hindi has letters of Devanagari; where the script fits, by witnesses that
have to agree: none of the language's function words is there, CLD2 names another language, and that one's are there.
"""

import runpy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pycld2
import regex
from babel.core import get_global

from clism_core.data.words import Word, base_language

_BEGINNING = 60  # code points, in which a sentence nearly always shows what language it is in
_FEWEST_WORDS = 5
_FEWEST_FUNCTION_WORDS = 3  # different ones, and
_ENOUGH_FUNCTION_WORDS = 0.2  # as share of all words: 97 % of English, Hindi and Vietnamese sentences have more
_FEWEST_LETTERS = 7  # of the wrong script: `ok` and `sudo` are no sentence
_PERCENT_OF_TEXT = 90

_WRITING_SYSTEMS = {"Hans": "Hani", "Hant": "Hani", "Jpan": "Hani Hira Kana", "Kore": "Hang Hani"}
_SEVERAL_SCRIPTS = {
    "az": "Latn Cyrl Arab",
    "bs": "Latn Cyrl",
    "kk": "Cyrl Latn Arab",
    "ku": "Latn Arab",
    "ky": "Cyrl Latn Arab",
    "mn": "Cyrl Mong",
    "ms": "Latn Arab",
    "pa": "Guru Arab",
    "sd": "Arab Deva",
    "sr": "Cyrl Latn",
    "tg": "Cyrl Arab",
    "tk": "Latn Cyrl",
    "tt": "Cyrl Latn",
    "ug": "Arab Cyrl Latn",
    "uz": "Latn Cyrl Arab",
}
_CLD2_NAMES = {"iw": "he", "jw": "jv", "no": "nb", "zh-Hant": "zh"}
_REFUSED_BY_CLD2 = regex.compile(r"[\p{Cc}\p{Cn}\p{Cs}]")
_LETTER = regex.compile(r"\p{L}")


@dataclass(frozen=True)
class _Language:
    """What tells a language."""

    written: regex.Pattern[str] | None
    """Finds two neighbouring letters of its scripts; None where its scripts are not known."""
    foreign: regex.Pattern[str] | None
    """Finds words that are neither in its scripts nor look like names or codes."""
    function_words: frozenset[str]
    """In lower case; empty where there is no list."""
    telling_words: frozenset[str]
    """Those of them that hardly stand in another language: without English ones, and short ones in plain letters."""


def is_wrong_language(text: str, words: Sequence[Word], *, language: str) -> bool:
    """Tell whether cleaned `text`, which has these `words`, is surely not in `language` (`hi`, `zh-TW`) or its script.

    False where it may be: of short texts, and of languages about which too little is known.
    """
    told = _language(language)
    # This is all it takes for most sentences, a microsecond.
    if not told.telling_words.isdisjoint(text[:_BEGINNING].lower().split()):
        return False
    if len(words) > 1 and _is_in_another_script(text, told):
        return True
    return len(words) >= _FEWEST_WORDS and _is_in_another_language(text, words, told, base_language(language))


def _is_in_another_script(text: str, told: _Language) -> bool:
    if told.written is None or told.foreign is None or told.written.search(text) is not None:
        return False
    return sum(map(len, told.foreign.findall(text))) >= _FEWEST_LETTERS


def _is_in_another_language(text: str, words: Sequence[Word], told: _Language, language: str) -> bool:
    in_lower_case = (text[start:end].lower() for start, end in words)
    with_letters = [word for word in in_lower_case if word[0].isalpha()]
    if not told.telling_words or not told.telling_words.isdisjoint(with_letters):
        return False
    found = _identify(text, hint=language)
    if found is None or found == language:
        return False
    there = [word for word in with_letters if word in _language(found).function_words]
    different = set(there) - told.function_words
    return len(different) >= _FEWEST_FUNCTION_WORDS and len(there) >= _ENOUGH_FUNCTION_WORDS * len(with_letters)


def _identify(text: str, *, hint: str) -> str | None:
    """Return the language in which all of `text` is, None where that is not sure."""
    clean = _REFUSED_BY_CLD2.sub(" ", text)
    is_reliable, _, (first, *_) = pycld2.detect(clean, hintLanguage=hint, bestEffort=False)
    _, code, percent, _ = first
    return _CLD2_NAMES.get(code, code) if is_reliable and percent >= _PERCENT_OF_TEXT else None


@cache
def _language(language: str) -> _Language:
    language = base_language(language)
    names = _scripts(language)
    scripts = "".join(rf"\p{{Script={name}}}" for name in names)
    own, other = rf"[{scripts}&&[\p{{L}}\p{{M}}]]", rf"[[\p{{L}}\p{{M}}]--\p{{Lu}}--[{scripts}]]"
    # Lower-case words between spaces or sentence punctuation: mysql.conf, $1text and PostgreSQL are none.
    before, after = r"(?<![^\s(«“\"'。、，！？])", r"(?=[.,;:!?…،؛؟।)»”\"']*(?:\s|\Z)|[。、，！？])"
    function_words = _function_words(language)
    english = frozenset[str]() if language == "en" else _function_words("en")
    return _Language(
        written=regex.compile(rf"{own}{{2}}", flags=regex.VERSION1) if names else None,
        foreign=regex.compile(rf"{before}{other}{{2,}}{after}", flags=regex.VERSION1) if names else None,
        function_words=function_words,
        telling_words=frozenset(w for w in function_words - english if len(w) > 2 or not w.isascii()),
    )


def _scripts(language: str) -> list[str]:
    """Return the Unicode names of the scripts of `language`, none where CLDR does not tell the one it is usually in."""
    if language in _SEVERAL_SCRIPTS:
        return _SEVERAL_SCRIPTS[language].split()
    likely: str | None = get_global("likely_subtags").get(language)
    if likely is None:
        return []
    script = likely.split("_")[1]
    return _WRITING_SYSTEMS.get(script, script).split()


def _function_words(language: str) -> frozenset[str]:
    """Return the function words of `language`: spaCy's stop words, none where it has no list.

    Only the file of the list is run: to import spaCy takes seconds and hundreds of megabytes (of torch, too).
    """
    spacy = find_spec("spacy")
    assert spacy is not None
    assert spacy.origin is not None
    path = Path(spacy.origin).parent / "lang" / language / "stop_words.py"
    words: set[str] = runpy.run_path(str(path))["STOP_WORDS"] if path.is_file() else set()
    return frozenset(word for word in words if _LETTER.search(word))
