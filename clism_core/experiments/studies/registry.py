"""The studies by their names."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from clism_core.experiments.studies import ablation, convergence, data_scale, few_shot, main_results, temperature
from clism_core.experiments.studies.artefacts import Artefact
from clism_core.experiments.studies.config import StudyConfig, StudyName
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain


class Study(NamedTuple):
    """An experiment."""

    chains: Callable[[StudyConfig], list[Chain]]
    """Return its runs."""
    artefacts: Callable[[StudyConfig, Results], list[Artefact]]
    """Return its tables and figures, of those runs that are finished."""


STUDIES: Mapping[StudyName, Study] = {
    "main": Study(main_results.chains, main_results.main_table),
    "per-language": Study(main_results.chains, main_results.language_tables),
    "fewshot": Study(few_shot.chains, few_shot.artefacts),
    "ablation": Study(ablation.chains, ablation.artefacts),
    "convergence": Study(convergence.chains, convergence.artefacts),
    "data-scale": Study(data_scale.chains, data_scale.artefacts),
    "temperature": Study(temperature.chains, temperature.artefacts),
}
