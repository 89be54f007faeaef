"""What the paper reports, to put beside what a study measures.

The numbers stand in `paper_results.json` as the paper prints them; `note` there says where it contradicts itself.
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
"""The paper's names of the data sets: MLQA and XQUAD of questions, CoNLL and WikiAnn of entities."""
METHODS: tuple[str, ...] = tuple(_MAIN)
"""The paper's names of the methods, in the order of table 2."""


@dataclass(frozen=True)
class Score:
    """A score of the paper, the average over the languages of a data set, in percent (0-100)."""

    f1: float
    """Of questions over the words of answers, of entities over whole entities."""
    exact_match: float | None = None
    """Of questions; None of entities, which have F1 alone."""


def main_result(method: str, dataset: str) -> Score | None:
    """Return what table 2 has: trained on all English data, evaluated zero-shot.

    None where the paper does not report it, as of CalibreNet on XQUAD. Raises `InputError` where the paper knows no
    such method or data set at all.
    """
    _check(method, dataset)
    return _score(_MAIN[method].get(dataset))


def few_shot_result(method: str, dataset: str, *, examples: int) -> Score | None:
    """Return what table 9 has: trained on so many English examples, the mean of five samples of them.

    None where the paper does not report it, as for another number of examples or for entities. Raises `InputError` as
    `main_result` does.
    """
    _check(method, dataset)
    return _score(_FEW_SHOT.get(examples, {}).get(method, {}).get(dataset))


def _score(printed: float | list[float] | None) -> Score | None:
    """Return what is printed as `F1` or as `F1/EM`."""
    if printed is None:
        return None
    return Score(*printed) if isinstance(printed, list) else Score(printed)


def _check(method: str, dataset: str) -> None:
    _check_known("method", method, METHODS)
    _check_known("dataset", dataset, DATASETS)


def _check_known(field: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise InputError(f"{field} is {name!r}, which the paper does not have; give one of {listed(known)}")
