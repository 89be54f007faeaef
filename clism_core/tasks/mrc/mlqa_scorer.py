"""Exact match and F1 of the official MLQA scorer (`mlqa_evaluation_v1.py`), with articles and tokens by language.

Its crude rules are kept for comparable scores: in Arabic, the letters of the article (ال) are removed everywhere, and
split a word that contains them; in Vietnamese, two classifiers, a plural, a copula and a preposition count as articles;
Unicode is not normalised.
"""

import re
import string
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache, partial
from types import MappingProxyType

from clism_core.tasks.mrc.scorers import AnswerScore, best_score
from clism_core.utils.errors import InputError

SCORER = "mlqa-1.0"
"""Name of this scorer in results."""


def _words(text: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(text.split())})\b")


_ARTICLES = MappingProxyType(
    {
        "en": _words("a an the"),
        "ar": re.compile("ال"),
        "de": _words("ein eine einen einem eines einer der die das den dem des"),
        "es": _words("un una unos unas el la los las"),
        "hi": None,
        "vi": _words("của là cái chiếc những"),
        "zh": None,
    }
)
_HAN = re.compile("([\u4e00-\u9fa5])")  # the block as of Unicode 1.1; later characters are not segmented

LANGUAGES = tuple(_ARTICLES)
"""Languages that the scorer supports: those of MLQA."""


def tokens(text: str, *, language: str) -> list[str]:
    """Return the tokens of `text` to compare: lower-cased, without punctuation, then without articles.

    Punctuation is Unicode's category P (in Python's version) and ASCII symbols. Tokens are separated by white space; in
    Chinese, each Han character is also a token.

    Raises:
        InputError: if the scorer does not support `language`.
    """
    if language not in _ARTICLES:
        raise InputError(
            f"language {language!r} is unsupported by the MLQA scorer: give one of {', '.join(LANGUAGES)}, "
            "or score the test set as XQuAD"
        )
    normalised = text.lower().translate(_no_punctuation())
    if article := _ARTICLES[language]:
        normalised = article.sub(" ", normalised)
    if language == "zh":
        normalised = _HAN.sub(r" \1 ", normalised)
    return normalised.split()


def score(*, prediction: str, answers: Sequence[str], language: str) -> AnswerScore:
    """Return exact match and F1 of `prediction`, 0 to 100, against the best of the gold `answers`.

    An unanswered question scores like the prediction "".

    Args:
        prediction: the predicted answer.
        answers: the gold answers, at least one.
        language: language of the passage and thus of the answers (not of the question), one of `LANGUAGES`.

    Raises:
        InputError: if the scorer does not support `language`, or `answers` is empty.
    """
    return best_score(prediction=prediction, answers=answers, tokens=partial(tokens, language=language))


@cache
def _no_punctuation() -> dict[int, None]:
    """Return a table for `str.translate`, created on first use: scanning Unicode takes some tenths of a second."""
    unicode = (code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith("P"))
    return dict.fromkeys([*unicode, *map(ord, string.punctuation)])
