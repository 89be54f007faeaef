"""Exact match and F1 as the scorer of MLQA counts them (`mlqa_evaluation_v1.py`): articles and tokens by language.

The rules are kept where they are crude, for figures to be comparable: in Arabic the letters of the article (ال) are
taken out wherever they stand, and part a word in two where they stand within it; in Vietnamese two classifiers, a
plural, a copula and a preposition count as articles; Unicode is not normalised.
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
"""The name of this scorer in results."""


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
_HAN = re.compile("([\u4e00-\u9fa5])")  # the block as of Unicode 1.1; what came later is not segmented

LANGUAGES = tuple(_ARTICLES)
"""The languages that the scorer knows, which are those of MLQA."""


def tokens(text: str, *, language: str) -> list[str]:
    """Return the tokens of `text` that are compared: lower case, without punctuation, then without articles.

    Punctuation is what Unicode (in Python's version) calls so, and ASCII's symbols. Tokens are what white space parts;
    in Chinese, each Han character too. Raises `InputError` where the scorer does not know `language`.
    """
    if language not in _ARTICLES:
        raise InputError(
            f"the scorer of MLQA does not know language {language!r}: take one of {', '.join(LANGUAGES)}, "
            "or score the test set as XQuAD"
        )
    bare = text.lower().translate(_no_punctuation())
    if article := _ARTICLES[language]:
        bare = article.sub(" ", bare)
    if language == "zh":
        bare = _HAN.sub(r" \1 ", bare)
    return bare.split()


def score(*, prediction: str, answers: Sequence[str], language: str) -> AnswerScore:
    """Return exact match and F1 of `prediction`, 0 to 100, against the best of the gold `answers`.

    A question that was not answered scores as the prediction "" does.

    Args:
        prediction: the predicted answer.
        answers: the gold answers, one at least.
        language: that of the passage, and so of the answers, one of `LANGUAGES`; not that of the question.

    Raises:
        InputError: the scorer does not know `language`, or `answers` is empty.
    """
    return best_score(prediction=prediction, answers=answers, tokens=partial(tokens, language=language))


@cache
def _no_punctuation() -> dict[int, None]:
    """Return a table for `str.translate`, made on first use: looking through Unicode takes some tenths of a second."""
    unicode = (code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith("P"))
    return dict.fromkeys([*unicode, *map(ord, string.punctuation)])
