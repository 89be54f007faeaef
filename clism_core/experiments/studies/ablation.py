"""Table 4: what each of the three objectives gives."""

from dataclasses import replace

from clism_core.experiments.studies.artefacts import Artefact, Table
from clism_core.experiments.studies.building_blocks import first_ours, full_chain, pretraining_of, scores_with_tests
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import Study
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain

ABLATIONS = {"w/o CLISM": "w_clism", "w/o CACR": "w_cacr", "w/o MLM": "w_mlm"}
"""The rows of the table by the weight that is 0; all are fine-tuned alike, with [QUE]."""


def chains(config: StudyConfig) -> list[Chain]:
    """Return the encoder as it is, the whole method, and the method without each objective."""
    ours = first_ours(config)
    whole = pretraining_of(config, ours)
    found = []
    for task in config.tasks:
        for seed in config.seeds:
            complete = full_chain(config, ours, task, seed)
            found += [full_chain(config, config.ours[ours], task, seed), complete]
            for name, weight in ABLATIONS.items():
                lacking = replace(whole, objectives=replace(whole.objectives, **{weight: 0.0}))
                found.append(replace(complete, labels={**complete.labels, "method": name}, encoder=lacking))
    return found


def artefacts(config: StudyConfig, measured: Results) -> list[Artefact]:
    """Return table 4; what lacks an objective, and the encoder as it is, are tested against the whole method."""
    ours = first_ours(config)
    pairs = [
        ({"method": name, "task": task}, {"method": ours, "task": task})
        for name in (config.ours[ours], *ABLATIONS)
        for task in config.tasks
    ]
    averages = scores_with_tests(measured, ["method"], pairs, resamples=config.resamples)
    caption = (
        f"{ours} without each objective, evaluated zero-shot: averages over languages, differences from the whole."
    )
    return [Table("ablation", caption, averages, rows=["method"], columns=["dataset", "score"])]


ABLATION = Study(chains=chains, artefacts=artefacts)
