"""Definition of a study: its runs, its tables and figures, and what it requires of the configuration."""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from clism_core.experiments.studies.artefacts import Artefact
from clism_core.experiments.studies.config import StudyConfig, StudyTask
from clism_core.experiments.studies.registry import STUDIES, StudyName
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain


@dataclass(frozen=True, kw_only=True)
class Study:
    """An experiment."""

    chains: Callable[[StudyConfig], list[Chain]]
    """Returns the runs."""
    artefacts: Callable[[StudyConfig, Results], list[Artefact]]
    """Returns the tables and figures of the finished runs."""
    lists: tuple[str, ...] = ("seeds",)
    """Fields of `StudyConfig` that must not be empty."""
    tasks: tuple[StudyTask, ...] = ()
    """Tasks that `StudyConfig.tasks` must contain."""
    uses_test_sets: bool = True
    """Whether fine-tuned models are evaluated on test sets."""


def load_study(name: StudyName) -> Study:
    """Return the study of that name."""
    study: Study = pkgutil.resolve_name(STUDIES[name])
    return study
