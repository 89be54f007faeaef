"""All studies, each a module of this package. A new study is one line in `STUDIES`."""

from typing import Literal, TypeAlias

STUDIES: dict[str, str] = {
    "main": "clism_core.experiments.studies.main_results:MAIN",
    "per-language": "clism_core.experiments.studies.main_results:PER_LANGUAGE",
    "fewshot": "clism_core.experiments.studies.few_shot:FEW_SHOT",
    "ablation": "clism_core.experiments.studies.ablation:ABLATION",
    "convergence": "clism_core.experiments.studies.convergence:CONVERGENCE",
    "data-scale": "clism_core.experiments.studies.data_scale:DATA_SCALE",
    "temperature": "clism_core.experiments.studies.temperature:TEMPERATURE",
}
"""Module and `Study` object by name; loaded by `load_study`, because studies import the configuration, which imports
their names."""

StudyName: TypeAlias = Literal[tuple(STUDIES)]  # type: ignore[valid-type]  # checked at run time, by the command line
