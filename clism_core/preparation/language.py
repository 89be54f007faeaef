"""Detection of sentences that are certainly not in the expected language.

Doubtful cases pass, because good translations may contain untranslated names, codes, titles and quotations. A sentence
is first judged by its script: a translation into Hindi has Devanagari letters. If the script matches, three conditions
must hold: the sentence has no function words of the expected language, CLD2 reports another language, and the sentence
has function words of that language.
"""

import itertools
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

_PREFIX_LENGTH = 60  # code points, nearly always enough to contain a function word
_MIN_WORDS = 5
_MIN_FUNCTION_WORDS = 3  # distinct ones, and
_MIN_FUNCTION_WORD_SHARE = 0.2  # of all words: 97 % of English, Hindi and Vietnamese sentences have more
_MIN_FOREIGN_LETTERS = 7  # of the wrong script: `ok` and `sudo` are not sentences
_MIN_PERCENT_OF_TEXT = 90
_MIN_PERCENT_OF_TEXTS = 60  # in one language, of texts that are in several
_TEXTS_IDENTIFIED = 1000

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
_REJECTED_BY_CLD2 = regex.compile(r"[\p{Cc}\p{Cn}\p{Cs}]")
_LETTER = regex.compile(r"\p{L}")


@dataclass(frozen=True)
class _LanguageProfile:
    """Scripts and function words of a language."""

    written: regex.Pattern[str] | None
    """Pattern of two neighbouring letters in the language's scripts; None if its scripts are unknown."""
    foreign: regex.Pattern[str] | None
    """Pattern of words that are neither in the language's scripts nor look like names or codes."""
    listed: regex.Pattern[str] | None
    """Pattern of two neighbouring letters in those of its scripts that have distinctive words."""
    function_words: frozenset[str]
    """Function words in lower case; empty if there is no list."""
    distinctive_words: frozenset[str]
    """Function words that rarely occur in other languages: excludes English ones, short ones in ASCII letters, and ones
    that are not in the language's scripts."""


def is_wrong_language(text: str, words: Sequence[Word], *, language: str) -> bool:
    """Return whether cleaned `text` with these `words` is certainly not in `language` (`hi`, `zh-TW`) or its script.

    Return False in case of doubt: for short texts, and for languages about which too little is known. A script subtag
    of `language` is the expected script: `hi-Latn` is Hindi in Latin letters.
    """
    profile = _language_profile(language)
    # Fast path for most sentences: about one microsecond.
    if not profile.distinctive_words.isdisjoint(text[:_PREFIX_LENGTH].lower().split()):
        return False
    if len(words) > 1 and _is_in_another_script(text, profile):
        return True
    return len(words) >= _MIN_WORDS and _is_in_another_language(text, words, profile, base_language(language))


def has_word_list(language: str) -> bool:
    """Return whether sentences in another language with the same script can be detected, by a list of words."""
    return bool(_language_profile(language).distinctive_words)


def identify_texts(texts: Iterable[str]) -> str | None:
    """Return the language in which most of `texts` is written; None if that is uncertain, or CLD2 does not know it."""
    text = _REJECTED_BY_CLD2.sub(" ", "\n".join(itertools.islice(texts, _TEXTS_IDENTIFIED)))
    is_reliable, _, ((_, code, percent, _), *_) = pycld2.detect(text)
    return base_language(code) if is_reliable and percent > _MIN_PERCENT_OF_TEXTS else None


def _is_in_another_script(text: str, profile: _LanguageProfile) -> bool:
    if profile.written is None or profile.foreign is None or profile.written.search(text) is not None:
        return False
    return sum(map(len, profile.foreign.findall(text))) >= _MIN_FOREIGN_LETTERS


def _is_in_another_language(text: str, words: Sequence[Word], profile: _LanguageProfile, language: str) -> bool:
    in_lower_case = (text[start:end].lower() for start, end in words)
    with_letters = [word for word in in_lower_case if word[0].isalpha()]
    if not profile.distinctive_words or not profile.distinctive_words.isdisjoint(with_letters):
        return False
    if _is_in_script_without_list(text, profile):
        return False
    identified = _identify(text, language=language)
    if identified is None or identified == language:
        return False
    function_words = [word for word in with_letters if word in _language_profile(identified).function_words]
    distinct = set(function_words) - profile.function_words
    has_enough = len(function_words) >= _MIN_FUNCTION_WORD_SHARE * len(with_letters)
    return len(distinct) >= _MIN_FUNCTION_WORDS and has_enough


def _is_in_script_without_list(text: str, profile: _LanguageProfile) -> bool:
    """Return whether `text` cannot contain listed words, such as Serbian in Latin letters: its list is in Cyrillic."""
    if profile.written is None or profile.listed is None:
        return False
    return profile.written.search(text) is not None and profile.listed.search(text) is None


def _identify(text: str, *, language: str) -> str | None:
    """Return the language of all of `text`, which is expected to be `language`; None if that is uncertain."""
    clean = _REJECTED_BY_CLD2.sub(" ", text)
    is_reliable, _, (first, *_) = pycld2.detect(clean, hintLanguage=_hint(language), bestEffort=False)
    _, code, percent, _ = first
    return base_language(code) if is_reliable and percent >= _MIN_PERCENT_OF_TEXT else None


@cache
def _hint(language: str) -> str | None:
    """Return `language` if CLD2 accepts it as a hint. This must be tried: CLD2's list of languages is incomplete."""
    try:
        pycld2.detect("", hintLanguage=language)
    except pycld2.error:
        return None
    return language


@cache
def _language_profile(tag: str) -> _LanguageProfile:
    language, systems = base_language(tag), _writing_systems(tag)
    other = rf"[[\p{{L}}\p{{M}}]--\p{{Lu}}--[{_script_set(systems)}]]"
    # Lower-case words between spaces or sentence punctuation: not mysql.conf, $1text or PostgreSQL.
    before, after = r"(?<![^\s(«“\"'。、，！？])", r"(?=[.,;:!?…،؛؟।)»”\"']*(?:\s|\Z)|[。、，！？])"
    function_words = _function_words(language)
    english = frozenset[str]() if language == "en" else _function_words("en")
    distinctive = {word for word in function_words - english if len(word) > 2 or not word.isascii()}
    if systems:
        distinctive &= _written_in(systems, distinctive)
    return _LanguageProfile(
        written=_neighbours(systems),
        foreign=regex.compile(rf"{before}{other}{{2,}}{after}", flags=regex.VERSION1) if systems else None,
        listed=_neighbours([system for system in systems if _written_in([system], distinctive)]),
        function_words=function_words,
        distinctive_words=frozenset(distinctive),
    )


def _writing_systems(tag: str) -> list[str]:
    """Return the writing systems of the language of `tag`, each as the Unicode names of its scripts (`Hani Hira Kana`).

    A script subtag determines the only one; otherwise these are all known writing systems of the language. The list is
    empty for languages that CLDR does not know.
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
    """Return the codes of known scripts; `regex` raises an error for others."""
    return frozenset(tag.split("_")[1] for tag in get_global("likely_subtags").values()) | _WRITING_SYSTEMS.keys()


def _script_set(systems: Sequence[str]) -> str:
    return "".join(rf"\p{{Script={name}}}" for system in systems for name in system.split())


def _neighbours(systems: Sequence[str]) -> regex.Pattern[str] | None:
    """Return a pattern of two neighbouring letters of `systems`; None if there are none."""
    if not systems:
        return None
    return regex.compile(rf"[{_script_set(systems)}&&[\p{{L}}\p{{M}}]]{{2}}", flags=regex.VERSION1)


def _written_in(systems: Sequence[str], words: Iterable[str]) -> set[str]:
    """Return the `words` all of whose letters are in `systems`."""
    other = regex.compile(rf"[\p{{L}}--[{_script_set(systems)}]]", flags=regex.VERSION1)
    return {word for word in words if other.search(word) is None}


def _function_words(language: str) -> frozenset[str]:
    """Return the function words of `language`: spaCy's stop words; empty if it has no list.

    Only the file of the list is executed: importing spaCy takes seconds and hundreds of megabytes (it imports torch).
    """
    spacy = find_spec("spacy")
    assert spacy is not None
    assert spacy.origin is not None
    path = Path(spacy.origin).parent / "lang" / language / "stop_words.py"
    words: set[str] = runpy.run_path(str(path))["STOP_WORDS"] if path.is_file() else set()
    return frozenset(word for word in words if _LETTER.search(word))
