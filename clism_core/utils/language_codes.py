"""Language codes in the one form in which configurations give them: the shortest tag of BCP 47, such as en or zh-TW.

Code that depends on a language (its words, its scripts, duplicates within a pair) finds it by its code. An unknown code
would switch all of that off, and two codes of one language would make two language pairs of it.
"""

import re
from difflib import get_close_matches
from functools import cache

from babel import Locale, localedata
from babel.core import get_global
from babel.languages import get_official_languages

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:[-_](?P<script>[a-z]{4}))?(?:[-_](?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:[-_](?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)(?P<private>(?:[-_]x(?:[-_][a-z0-9]{1,8})+)?)",
    flags=re.IGNORECASE,
)
_PRIVATE = re.compile("q[a-t][a-z]|x-[a-z0-9]+")
_CURRENT = frozenset({"kmr", "no", "sh", "tl"})
"""Codes in use, although CLDR prefers others."""


def code_problem(code: str) -> str | None:
    """Return what is wrong with a language code, and the likely right one; None for a code in its shortest form."""
    if _PRIVATE.fullmatch(code):
        return None
    tag = _TAG.fullmatch(code.strip())
    if tag is None or tag["language"].lower() not in _known():
        suggestion = _suggestion(code.strip().lower())
        advice = f"did you mean {suggestion}?" if suggestion else "give one such as en"
        return f"{code!r} is not a language code; {advice}"
    canonical = _canonical(tag)
    return None if code == canonical else f"{code!r} is not in the usual form; give {canonical}"


def _canonical(tag: re.Match[str]) -> str:
    parts = [_shortest(tag["language"].lower())]
    parts += [tag["script"].title()] if tag["script"] else []
    parts += [tag["region"].upper()] if tag["region"] else []
    return "-".join(parts) + f"{tag['variants']}{tag['private']}".lower().replace("_", "-")


def _shortest(language: str) -> str:
    alias: str = get_global("language_aliases").get(language, language)
    return alias if len(alias) == 2 and language not in _CURRENT else language


@cache
def _known() -> frozenset[str]:
    """Return the codes of all languages that CLDR knows, about 7,800, old ones included."""
    tags = (*get_global("likely_subtags"), *get_global("language_aliases"), *Locale("en").languages)
    return frozenset(tag.split("_")[0] for tag in tags) - {"und", "mul", "root"}


def _suggestion(code: str) -> str | None:
    """Return the language that a country's code or a language's name stands for; None if there is none."""
    first = re.split("[-_]", code, maxsplit=1)[0]
    for territory in (first.upper(), code[-2:].upper() if len(code) == 5 else ""):
        official = get_official_languages(territory)
        if official:
            return str(official[0]).replace("_", "-")
    names = _names()
    close = get_close_matches(code, names, n=1, cutoff=0.8) or get_close_matches(first, names, n=1, cutoff=0.8)
    return names[close[0]] if close else None


@cache
def _names() -> dict[str, str]:
    """Return the languages' codes by their names in English and in themselves, in lower case. Takes seconds."""
    names = {name.lower(): code for code, name in Locale("en").languages.items()}
    for code in localedata.locale_identifiers():
        if "_" not in code and (name := Locale(code).languages.get(code)):
            names.setdefault(name.lower(), code)
    return {name: code.replace("_", "-") for name, code in names.items()}
