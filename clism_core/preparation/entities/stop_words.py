"""Stop words by language, and the test for informative words."""

import logging
import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from importlib.util import find_spec

from clism_core.utils.words import base_language

logger = logging.getLogger(__name__)


@cache
def spacy_language(language: str) -> str | None:
    """Return spaCy's code of `language` (`en`, `pt-BR`, `eng`, ...); None if spaCy does not support the language."""
    from spacy.util import registry

    codes = (re.split("[-_]", language.lower())[0], base_language(language))
    return next((code for code in codes if code in registry.languages or find_spec(f"spacy.lang.{code}")), None)


@cache
def stop_words(language: str) -> frozenset[str]:
    """Return spaCy's stop words of `language` in lower case; empty if it has no list. Needs no pipeline."""
    from spacy.util import get_lang_class

    code = spacy_language(language)
    return frozenset() if code is None else frozenset(get_lang_class(code).Defaults.stop_words)


def warn_without_stop_words(languages: Iterable[str]) -> None:
    """Log a warning about those of `languages` that have no stop words."""
    if missing := sorted(language for language in set(languages) if not stop_words(language)):
        logger.warning(
            "spaCy has no stop words for %s: any span with a letter or digit counts as informative, and answers may be "
            "partial",
            ", ".join(missing),
        )


def is_informative(word: str, *, stops: Collection[str]) -> bool:
    """Return whether `word` contains a letter or digit and is not one of `stops`.

    Acronyms such as US, WHO and IT are informative: they are not looked up in lower case.
    """
    return any(map(str.isalnum, word)) and (is_acronym(word) or word.lower() not in stops)


def content_words(words: Sequence[str], *, stops: Collection[str]) -> frozenset[int]:
    """Return the indices of the informative words; none without `stops`, which tell them from function words."""
    return frozenset(i for i, word in enumerate(words) if stops and is_informative(word, stops=stops))


def is_acronym(word: str) -> bool:
    """Return whether `word` has at least two characters and its letters are all upper case."""
    return len(word) > 1 and word.isupper()
