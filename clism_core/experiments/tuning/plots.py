"""Plots of a sweep by Optuna: objective by parameter values, and importance of parameters."""

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
MIN_TRIALS = 4
"""Number of trials below which the importance of parameters is meaningless."""


def sweep_figures(rows: Sequence[TrialResult], space: Space) -> dict[str, Figure]:
    """Return the figures `parallel_coordinates` and `importance`, each if there are enough trials for it.

    Trials stopped early count with their last objective, which was worse than that of others at the same step. Failed
    trials are left out.
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
        if len(evaluated) >= MIN_TRIALS and len({row.objective for row in evaluated}) > 1:
            evaluator = FanovaImportanceEvaluator(seed=0)
            figures["importance"] = _figure(
                plot_param_importances(study, evaluator=evaluator), f"Importance of parameters (fANOVA): {about}"
            )
    return figures


def _study(rows: Sequence[TrialResult], distributions: dict[str, BaseDistribution], *, maximize: bool) -> optuna.Study:
    """Return an Optuna study of the trials, which may come from any searcher."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if maximize else "minimize")
    optuna.logging.set_verbosity(verbosity)
    for row in rows:
        values = {name: _scalar(row.parameters[name]) for name in distributions}
        study.add_trial(optuna.trial.create_trial(params=values, distributions=distributions, value=row.objective))
    return study


def _distributions(parameters: Mapping[str, Domain]) -> dict[str, BaseDistribution]:
    distributions: dict[str, BaseDistribution] = {}
    for name, domain in parameters.items():
        try:
            if isinstance(domain, Categorical):
                distributions[name] = CategoricalDistribution([_scalar(choice) for choice in domain.categories])
            else:
                distributions |= OptunaSearch.convert_search_space({name: domain})
        except ValueError as error:
            logger.warning("%s is left out of the plots: %s", name, error)
    return distributions


def _scalar(value: Any) -> Any:
    """Return a value that can be plotted: lists and mappings become text."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _figure(axes: Any, title: str) -> Figure:
    figure: Figure = axes.get_figure()
    axes.set_title("", loc="left")  # remove Optuna's own title
    axes.set_title(title, fontsize="medium")
    figure.set_size_inches(*SIZE)
    figure.tight_layout()
    return figure
