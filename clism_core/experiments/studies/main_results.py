"""Table 2, all methods on all test sets, and tables 5 to 8, the same runs per language."""

import pandas as pd

from clism_core.experiments.studies.artefacts import Artefact, Table
from clism_core.experiments.studies.building_blocks import (
    PAPER_DATASETS,
    full_chains,
    paper_cells,
    scores_with_tests,
    with_paper,
)
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import Study
from clism_core.experiments.studies.paper_results import METHODS, main_result
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain


def chains(config: StudyConfig) -> list[Chain]:
    """Return all methods fine-tuned on all English data, for each task and seed."""
    return list(full_chains(config))


def main_table(config: StudyConfig, measured: Results) -> list[Artefact]:
    """Return table 2: averages over languages, with our methods tested against their base encoders."""
    averages = _cells(config, measured, all_sets=False)
    datasets = [PAPER_DATASETS[name] for name in dict.fromkeys(averages["dataset"]) if name in PAPER_DATASETS]
    reported = [
        cell
        for method in METHODS
        for dataset in datasets
        for cell in paper_cells(main_result(method, dataset), dataset=dataset.lower(), method=method)
    ]
    caption = "Trained on English, evaluated zero-shot: averages over languages."
    return [Table("main", caption, with_paper(averages, reported), rows=["method"], columns=["dataset", "score"])]


def language_tables(config: StudyConfig, measured: Results) -> list[Artefact]:
    """Return tables 5 to 8: one table per data set, with a column per language."""
    cells = _cells(config, measured, all_sets=True)
    return [
        Table(
            f"per-language-{dataset}",
            f"{dataset}: trained on English, evaluated zero-shot.",
            rows,
            rows=["method", "score"],
            columns=["language"],
        )
        for dataset, rows in cells.groupby("dataset", sort=False)
    ]


def _cells(config: StudyConfig, measured: Results, *, all_sets: bool) -> pd.DataFrame:
    pairs = [
        ({"method": ours, "task": task}, {"method": base, "task": task})
        for ours, base in config.ours.items()
        for task in config.tasks
    ]
    return scores_with_tests(measured, ["method"], pairs, resamples=config.resamples, all_sets=all_sets)


MAIN = Study(chains=chains, artefacts=main_table)
PER_LANGUAGE = Study(chains=chains, artefacts=language_tables)
