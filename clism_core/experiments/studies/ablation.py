"""Table 4: ablation of the three objectives."""

from dataclasses import replace

from clism_core.experiments.studies.artefacts import Artefact, Table
from clism_core.experiments.studies.building_blocks import first_ours, full_chain, pretraining_of, scores_with_tests
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import Study
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain

ABLATIONS = {"w/o CLISM": "w_clism", "w/o CACR": "w_cacr", "w/o MLM": "w_mlm"}
"""Rows of the table, with the weight that is set to 0. All are fine-tuned in the same way, with [QUE]."""


def chains(config: StudyConfig) -> list[Chain]:
    """Return the base encoder, the full method, and the method without each objective."""
    ours = first_ours(config)
    full = pretraining_of(config, ours)
    grid = []
    for task in config.tasks:
        for seed in config.seeds:
            complete = full_chain(config, ours, task, seed)
            grid += [full_chain(config, config.ours[ours], task, seed), complete]
            for name, weight in ABLATIONS.items():
                ablated = replace(full, objectives=replace(full.objectives, **{weight: 0.0}))
                grid.append(replace(complete, labels={**complete.labels, "method": name}, encoder=ablated))
    return grid


def artefacts(config: StudyConfig, measured: Results) -> list[Artefact]:
    """Return table 4. The ablations and the base encoder are tested against the full method."""
    ours = first_ours(config)
    pairs = [
        ({"method": name, "task": task}, {"method": ours, "task": task})
        for name in (config.ours[ours], *ABLATIONS)
        for task in config.tasks
    ]
    averages = scores_with_tests(measured, ["method"], pairs, resamples=config.resamples)
    caption = (
        f"{ours} without each objective, evaluated zero-shot: averages over languages, differences from all three."
    )
    return [Table("ablation", caption, averages, rows=["method"], columns=["dataset", "score"])]


ABLATION = Study(chains=chains, artefacts=artefacts)
