"""Figure 5: what more parallel data gives."""

from dataclasses import replace

from clism_core.evaluation.scoring import SCORE_NAMES
from clism_core.experiments.studies.artefacts import Artefact, Panel, Picture, Table, line_figure
from clism_core.experiments.studies.building_blocks import first_ours, full_chain, pretraining_of, scores_with_tests
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import Study
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain


def chains(config: StudyConfig) -> list[Chain]:
    """Return the encoder as it is, with 0 samples, and pre-trained for as many steps on different amounts."""
    ours = first_ours(config)
    whole = pretraining_of(config, ours)
    found = []
    for task in config.tasks:
        for seed in config.seeds:
            base, complete = full_chain(config, config.ours[ours], task, seed), full_chain(config, ours, task, seed)
            found.append(replace(base, labels={**base.labels, "samples": 0}))
            for samples in sorted(config.pretraining_samples):
                encoder = replace(whole, max_samples=samples)
                found.append(replace(complete, labels={**complete.labels, "samples": samples}, encoder=encoder))
    return found


def artefacts(config: StudyConfig, measured: Results) -> list[Artefact]:
    """Return the scores by the number of samples as a figure and as a table, each tested against none."""
    pairs = [
        ({"samples": samples, "task": task}, {"samples": 0, "task": task})
        for samples in config.pretraining_samples
        for task in config.tasks
    ]
    cells = scores_with_tests(measured, ["samples"], pairs, resamples=config.resamples)
    averages = cells.sort_values("samples", kind="stable")
    points = averages.assign(line=averages["dataset"]).rename(columns={"samples": "x"})
    panel = Panel(first_ours(config), points[points["score"] == "f1"], f"{SCORE_NAMES['f1']}, average over languages")
    caption = "Pre-trained on different numbers of samples for as many steps, evaluated zero-shot: averages."
    return [
        Table("data-scale", caption, averages, rows=["samples"], columns=["dataset", "score"]),
        Picture("data-scale", line_figure([panel], xlabel="samples of pre-training")),
    ]


DATA_SCALE = Study(chains=chains, artefacts=artefacts, lists=("seeds", "pretraining_samples"))
