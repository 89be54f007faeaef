"""Figure 5: effect of the amount of parallel data."""

from dataclasses import replace

from clism_core.evaluation.scoring import SCORE_NAMES
from clism_core.experiments.studies.artefacts import Artefact, Panel, Picture, Table, line_figure
from clism_core.experiments.studies.building_blocks import first_ours, full_chain, pretraining_of, scores_with_tests
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import Study
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain


def chains(config: StudyConfig) -> list[Chain]:
    """Return the base encoder, with 0 samples, and encoders pre-trained on different amounts for the same steps."""
    ours = first_ours(config)
    full = pretraining_of(config, ours)
    grid = []
    for task in config.tasks:
        for seed in config.seeds:
            base, complete = full_chain(config, config.ours[ours], task, seed), full_chain(config, ours, task, seed)
            grid.append(replace(base, labels={**base.labels, "samples": 0}))
            for samples in sorted(config.pretraining_samples):
                encoder = replace(full, max_samples=samples)
                grid.append(replace(complete, labels={**complete.labels, "samples": samples}, encoder=encoder))
    return grid


def artefacts(config: StudyConfig, measured: Results) -> list[Artefact]:
    """Return scores by number of samples as a figure and a table, tested against no pre-training."""
    pairs = [
        ({"samples": samples, "task": task}, {"samples": 0, "task": task})
        for samples in config.pretraining_samples
        for task in config.tasks
    ]
    cells = scores_with_tests(measured, ["samples"], pairs, resamples=config.resamples)
    averages = cells.sort_values("samples", kind="stable")
    points = averages.assign(line=averages["dataset"]).rename(columns={"samples": "x"})
    panel = Panel(first_ours(config), points[points["score"] == "f1"], f"{SCORE_NAMES['f1']}, average over languages")
    caption = "Pre-trained on different numbers of samples for the same number of steps, evaluated zero-shot: averages."
    return [
        Table("data-scale", caption, averages, rows=["samples"], columns=["dataset", "score"]),
        Picture("data-scale", line_figure([panel], xlabel="pre-training samples")),
    ]


DATA_SCALE = Study(chains=chains, artefacts=artefacts, lists=("seeds", "pretraining_samples"))
