"""Exact match and F1 of the official SQuAD 1.1 scorer (`evaluate-v1.1.py`), also used for XQuAD and TyDiQA.

It removes only ASCII punctuation and English articles, in texts of any language.
"""

import re
import string
from collections.abc import Sequence

from clism_core.tasks.mrc.scorers import AnswerScore, best_score

SCORER = "squad-1.1"
"""Name of this scorer in results."""

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:an?|the)\b")


def tokens(text: str) -> list[str]:
    """Return the tokens of `text` to compare: lower-cased, without punctuation, then without a, an, the."""
    return _ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def score(*, prediction: str, answers: Sequence[str]) -> AnswerScore:
    """Return exact match and F1 of `prediction`, 0 to 100, against the best of the gold `answers`.

    An unanswered question scores like the prediction "". Raises `InputError` if `answers` is empty.
    """
    return best_score(prediction=prediction, answers=answers, tokens=tokens)
