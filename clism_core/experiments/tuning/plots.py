"""Pictures of a sweep, by Optuna: which values went with which objective, and which parameters mattered."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator
from optuna.visualization.matplotlib import plot_parallel_coordinate, plot_param_importances
from ray.tune.search.optuna import OptunaSearch
from ray.tune.search.sample import Categorical, Domain

from clism_core.experiments.tuning.results import TrialResult
from clism_core.experiments.tuning.space import Space

logger = logging.getLogger(__name__)

SIZE = (9.0, 5.0)  # inches
LEAST_TRIALS = 4
"""With fewer, nothing can be said of the importance of a parameter."""


def sweep_figures(rows: Sequence[TrialResult], space: Space) -> dict[str, Figure]:
    """Return `parallel_coordinates` and `importance`, each where there are trials enough for it.

    Trials that were stopped early take part with the last objective that they reached: it was worse than that of others
    at the same step. Failed ones do not take part.
    """
    distributions = _distributions(space.parameters)
    evaluated = [row for row in rows if row.objective is not None and row.status != "failed"]
    if not evaluated or not distributions:
        return {}
    study = _study(evaluated, distributions, maximize=space.mode == "max")
    stopped = sum(row.status == "stopped early" for row in evaluated)
    about = f"{len(evaluated)} trials" + (f", {stopped} of them stopped early (last objective)" if stopped else "")
    figures = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        figures["parallel_coordinates"] = _figure(
            plot_parallel_coordinate(study, target_name="objective"), f"Objective by parameters: {about}"
        )
        if len(evaluated) >= LEAST_TRIALS and len({row.objective for row in evaluated}) > 1:
            evaluator = FanovaImportanceEvaluator(seed=0)
            figures["importance"] = _figure(
                plot_param_importances(study, evaluator=evaluator), f"Importance of parameters (fANOVA): {about}"
            )
    return figures


def _study(rows: Sequence[TrialResult], distributions: dict[str, BaseDistribution], *, maximize: bool) -> optuna.Study:
    """Return an Optuna study of trials that anybody may have proposed, such as a grid."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if maximize else "minimize")
    optuna.logging.set_verbosity(verbosity)
    for row in rows:
        values = {name: _scalar(row.parameters[name]) for name in distributions}
        study.add_trial(optuna.trial.create_trial(params=values, distributions=distributions, value=row.objective))
    return study


def _distributions(parameters: Mapping[str, Domain]) -> dict[str, BaseDistribution]:
    found: dict[str, BaseDistribution] = {}
    for name, domain in parameters.items():
        try:
            if isinstance(domain, Categorical):
                found[name] = CategoricalDistribution([_scalar(choice) for choice in domain.categories])
            else:
                found |= OptunaSearch.convert_search_space({name: domain})
        except ValueError as error:
            logger.warning("%s is left out of the plots: %s", name, error)
    return found


def _scalar(value: Any) -> Any:
    """Return what can stand on an axis: lists and mappings as text."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _figure(axes: Any, title: str) -> Figure:
    figure: Figure = axes.get_figure()
    axes.set_title("", loc="left")  # Optuna's own, where it has one
    axes.set_title(title, fontsize="medium")
    figure.set_size_inches(*SIZE)
    figure.tight_layout()
    return figure
