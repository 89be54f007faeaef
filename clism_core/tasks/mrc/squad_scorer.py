"""Exact match and F1 as the scorer of SQuAD 1.1 counts them (`evaluate-v1.1.py`), in use for XQuAD and TyDiQA too.

It knows ASCII punctuation and English articles only, in texts of any language.
"""

import re
import string
from collections.abc import Sequence

from clism_core.tasks.mrc.scorers import AnswerScore, best_score

SCORER = "squad-1.1"
"""The name of this scorer in results."""

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:an?|the)\b")


def tokens(text: str) -> list[str]:
    """Return the tokens of `text` that are compared: lower case, without punctuation, then without a, an, the."""
    return _ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def score(*, prediction: str, answers: Sequence[str]) -> AnswerScore:
    """Return exact match and F1 of `prediction`, 0 to 100, against the best of the gold `answers`.

    A question that was not answered scores as the prediction "" does. Raises `InputError` where `answers` is empty.
    """
    return best_score(prediction=prediction, answers=answers, tokens=tokens)
