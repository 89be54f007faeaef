"""Sentences that are surely not in the language they are said to be in.

Only what is sure counts: names, codes, titles and quotations stand untranslated in good translations. A sentence is
judged by its script, for a translation into Hindi has letters of Devanagari; where the script fits, by witnesses that
have to agree: none of the language's function words is there, CLD2 names another language, and that one's are there.
"""

import runpy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pycld2
import regex
from babel.core import get_global

from clism_core.utils.words import Word, base_language, script_subtag

_BEGINNING = 60  # code points, in which a sentence nearly always shows what language it is in
_FEWEST_WORDS = 5
_FEWEST_FUNCTION_WORDS = 3  # different ones, and
_ENOUGH_FUNCTION_WORDS = 0.2  # as share of all words: 97 % of English, Hindi and Vietnamese sentences have more
_FEWEST_LETTERS = 7  # of the wrong script: `ok` and `sudo` are no sentence
_PERCENT_OF_TEXT = 90

_WRITING_SYSTEMS = {
    "Aran": "Arab",
    "Hanb": "Hani Bopo",
    "Hans": "Hani",
    "Hant": "Hani",
    "Jamo": "Hang",
    "Jpan": "Hani Hira Kana",
    "Kore": "Hang Hani",
    "Latf": "Latn",
    "Latg": "Latn",
}
_SEVERAL_SCRIPTS = {
    "az": "Latn Cyrl Arab",
    "bs": "Latn Cyrl",
    "cdo": "Hani Latn",
    "crh": "Cyrl Latn",
    "gag": "Latn Cyrl",
    "ha": "Latn Arab",
    "hak": "Hani Latn",
    "iu": "Cans Latn",
    "kaa": "Latn Cyrl",
    "kab": "Latn Tfng",
    "kk": "Cyrl Latn Arab",
    "ks": "Arab Deva",
    "ku": "Latn Arab",
    "ky": "Cyrl Latn Arab",
    "lad": "Hebr Latn",
    "mn": "Cyrl Mong",
    "mni": "Beng Mtei",
    "ms": "Latn Arab",
    "nan": "Hani Latn",
    "pa": "Guru Arab",
    "rif": "Latn Tfng Arab",
    "sat": "Olck Deva Beng Latn",
    "sd": "Arab Deva",
    "shi": "Tfng Latn Arab",
    "sr": "Cyrl Latn",
    "tg": "Cyrl Latn Arab",
    "tk": "Latn Cyrl",
    "tt": "Cyrl Latn",
    "tzm": "Latn Tfng Arab",
    "ug": "Arab Cyrl Latn",
    "uz": "Latn Cyrl Arab",
    "zgh": "Tfng Latn",
}
_REFUSED_BY_CLD2 = regex.compile(r"[\p{Cc}\p{Cn}\p{Cs}]")
_LETTER = regex.compile(r"\p{L}")


@dataclass(frozen=True)
class _Language:
    """What tells a language."""

    written: regex.Pattern[str] | None
    """Finds two neighbouring letters of its scripts; None where its scripts are not known."""
    foreign: regex.Pattern[str] | None
    """Finds words that are neither in its scripts nor look like names or codes."""
    listed: regex.Pattern[str] | None
    """Finds two neighbouring letters of those of its scripts in which there are telling words."""
    function_words: frozenset[str]
    """In lower case; empty where there is no list."""
    telling_words: frozenset[str]
    """Those of them that hardly stand in another language: without English ones, short ones in plain letters, and ones
    in another script than the language is in."""


def is_wrong_language(text: str, words: Sequence[Word], *, language: str) -> bool:
    """Tell whether cleaned `text`, which has these `words`, is surely not in `language` (`hi`, `zh-TW`) or its script.

    False where it may be: of short texts, and of languages about which too little is known. A script that `language`
    names is the one that is asked for: `hi-Latn` is Hindi in Latin letters.
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
    if _is_written_as_no_list_is(text, told):
        return False
    found = _identify(text, language=language)
    if found is None or found == language:
        return False
    there = [word for word in with_letters if word in _language(found).function_words]
    different = set(there) - told.function_words
    return len(different) >= _FEWEST_FUNCTION_WORDS and len(there) >= _ENOUGH_FUNCTION_WORDS * len(with_letters)


def _is_written_as_no_list_is(text: str, told: _Language) -> bool:
    """Tell whether `text` can hold no listed word, as Serbian in Latin letters, whose list is in Cyrillic ones."""
    if told.written is None or told.listed is None:
        return False
    return told.written.search(text) is not None and told.listed.search(text) is None


def _identify(text: str, *, language: str) -> str | None:
    """Return the language in which all of `text` is, said to be in `language`; None where that is not sure."""
    clean = _REFUSED_BY_CLD2.sub(" ", text)
    is_reliable, _, (first, *_) = pycld2.detect(clean, hintLanguage=_hint(language), bestEffort=False)
    _, code, percent, _ = first
    return base_language(code) if is_reliable and percent >= _PERCENT_OF_TEXT else None


@cache
def _hint(language: str) -> str | None:
    """Return `language` where CLD2 takes it for a hint. Only CLD2 can tell: its list lacks some that it takes."""
    try:
        pycld2.detect("", hintLanguage=language)
    except pycld2.error:
        return None
    return language


@cache
def _language(tag: str) -> _Language:
    language, systems = base_language(tag), _writing_systems(tag)
    other = rf"[[\p{{L}}\p{{M}}]--\p{{Lu}}--[{_script_set(systems)}]]"
    # Lower-case words between spaces or sentence punctuation: mysql.conf, $1text and PostgreSQL are none.
    before, after = r"(?<![^\s(«“\"'。、，！？])", r"(?=[.,;:!?…،؛؟।)»”\"']*(?:\s|\Z)|[。、，！？])"
    function_words = _function_words(language)
    english = frozenset[str]() if language == "en" else _function_words("en")
    telling = {word for word in function_words - english if len(word) > 2 or not word.isascii()}
    if systems:
        telling &= _written_in(systems, telling)
    return _Language(
        written=_neighbours(systems),
        foreign=regex.compile(rf"{before}{other}{{2,}}{after}", flags=regex.VERSION1) if systems else None,
        listed=_neighbours([system for system in systems if _written_in([system], telling)]),
        function_words=function_words,
        telling_words=frozenset(telling),
    )


def _writing_systems(tag: str) -> list[str]:
    """Return the writing systems of the language of `tag`, each as Unicode's names of its scripts, `Hani Hira Kana`.

    It is the one that the tag names; otherwise those in which the language is known to be. None where CLDR does not
    know it.
    """
    language, script = base_language(tag), script_subtag(tag)
    if script is None and language in _SEVERAL_SCRIPTS:
        return _SEVERAL_SCRIPTS[language].split()
    likely: str | None = get_global("likely_subtags").get(language)
    if script is None and likely is not None:
        script = likely.split("_")[1]
    return [_WRITING_SYSTEMS.get(script, script)] if script in _known_scripts() else []


@cache
def _known_scripts() -> frozenset[str]:
    """Return the codes of scripts; `regex` raises an error of others."""
    return frozenset(tag.split("_")[1] for tag in get_global("likely_subtags").values()) | _WRITING_SYSTEMS.keys()


def _script_set(systems: Sequence[str]) -> str:
    return "".join(rf"\p{{Script={name}}}" for system in systems for name in system.split())


def _neighbours(systems: Sequence[str]) -> regex.Pattern[str] | None:
    """Return a pattern of two neighbouring letters of `systems`, None of no systems."""
    if not systems:
        return None
    return regex.compile(rf"[{_script_set(systems)}&&[\p{{L}}\p{{M}}]]{{2}}", flags=regex.VERSION1)


def _written_in(systems: Sequence[str], words: Iterable[str]) -> set[str]:
    """Return those of `words` that have letters of `systems` only."""
    other = regex.compile(rf"[\p{{L}}--[{_script_set(systems)}]]", flags=regex.VERSION1)
    return {word for word in words if other.search(word) is None}


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
