"""Scores that the paper reports, shown beside those of a study.

`paper_results.json` has the numbers as printed; its `note` says where the paper contradicts itself.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

_PAPER: Mapping[str, Any] = json.loads((resources.files(__package__) / "paper_results.json").read_text("utf-8"))
_MAIN: Mapping[str, Mapping[str, Any]] = {
    method: scores for method, scores in _PAPER["table2"].items() if method != "metrics"
}
_FEW_SHOT: Mapping[int, Mapping[str, Any]] = {
    int(examples): methods for examples, methods in _PAPER["table9"].items() if examples != "metric"
}

DATASETS: tuple[str, ...] = tuple(_PAPER["table2"]["metrics"])
"""The paper's names of the data sets: MLQA and XQUAD (questions), CoNLL and WikiAnn (entities)."""
METHODS: tuple[str, ...] = tuple(_MAIN)
"""The paper's names of the methods, in the order of table 2."""


@dataclass(frozen=True)
class Score:
    """Score in the paper: average over the languages of a data set, in percent (0-100)."""

    f1: float
    """F1 over the words of answers, or over whole entities."""
    exact_match: float | None = None
    """Exact match of answers; None for entities."""


def main_result(method: str, dataset: str) -> Score | None:
    """Return a score of table 2: trained on all English data, evaluated zero-shot.

    Returns None if the paper does not report it, as for CalibreNet on XQUAD. Raises `InputError` if the paper has no
    such method or data set.
    """
    _check(method, dataset)
    return _score(_MAIN[method].get(dataset))


def few_shot_result(method: str, dataset: str, *, examples: int) -> Score | None:
    """Return a score of table 9: trained on `examples` English examples, mean over five samples.

    Returns None if the paper does not report it, as for other numbers of examples or for entities. Raises `InputError`
    as `main_result` does.
    """
    _check(method, dataset)
    return _score(_FEW_SHOT.get(examples, {}).get(method, {}).get(dataset))


def _score(printed: float | list[float] | None) -> Score | None:
    """Return the score printed as `F1` or as `F1/EM`."""
    if printed is None:
        return None
    return Score(*printed) if isinstance(printed, list) else Score(printed)


def _check(method: str, dataset: str) -> None:
    _check_known("method", method, METHODS)
    _check_known("dataset", dataset, DATASETS)


def _check_known(field: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise InputError(f"{field} {name!r}: not found in the paper; give one of {listed(known)}")
