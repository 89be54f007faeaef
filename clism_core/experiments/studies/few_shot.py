"""Tables 3 and 9, and figure 4(b): fine-tuning on 64 to 1024 English examples, with and without [QUE]."""

from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from clism_core.evaluation.scoring import SCORE_NAMES
from clism_core.experiments.studies.artefacts import Artefact, Panel, Picture, Table, line_figure
from clism_core.experiments.studies.building_blocks import (
    PAPER_DATASETS,
    encoder_of,
    few_shot_chain,
    first_ours,
    paper_cells,
    scores_with_tests,
    with_paper,
)
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import Study
from clism_core.experiments.studies.paper_results import METHODS, few_shot_result
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain

WITHOUT = "without [QUE]"


def chains(config: StudyConfig) -> list[Chain]:
    """Return the base encoders of our methods, and our first method with and without [QUE]."""
    return list(_chains(config))


def compared(config: StudyConfig) -> dict[str, tuple[str, bool]]:
    """Return the compared variants by their names in tables: the method, and whether it is fine-tuned with [QUE]."""
    ours = first_ours(config)
    bases = {name: (name, False) for name in dict.fromkeys(config.ours.values())}
    return {**bases, ours: (ours, True), f"{ours}, {WITHOUT}": (ours, False)}


def _chains(config: StudyConfig) -> Iterator[Chain]:
    for name, (method, use_que) in compared(config).items():
        for examples in config.examples:
            for sample in config.samples:
                encoder = encoder_of(config, method)
                yield few_shot_chain(config, encoder, examples=examples, sample=sample, use_que=use_que, method=name)


def artefacts(config: StudyConfig, measured: Results) -> list[Artefact]:
    """Return table 9, its curves (table 3), and the curves of figure 4(b)."""
    ours = first_ours(config)
    base = config.ours[ours]
    pairs = [
        ({"method": name, "examples": examples}, {"method": base, "examples": examples})
        for name in (ours, f"{ours}, {WITHOUT}")
        for examples in config.examples
    ]
    cells = scores_with_tests(measured, ["examples", "method"], pairs, resamples=config.resamples)
    averages = cells.sort_values("examples", kind="stable")
    reported = [
        cell
        for examples in config.examples
        for dataset in dict.fromkeys(averages["dataset"])
        if dataset in PAPER_DATASETS
        for method in METHODS
        for cell in paper_cells(
            few_shot_result(method, PAPER_DATASETS[dataset], examples=examples),
            dataset=dataset,
            method=method,
            examples=examples,
        )
    ]
    with_reported = with_paper(averages, reported).sort_values("examples", kind="stable")
    caption = f"Few English examples, {len(config.samples)} samples of each size, evaluated zero-shot: averages."
    que_rows = averages[averages["method"].isin([ours, f"{ours}, {WITHOUT}"])]
    return [
        Table("fewshot", caption, with_reported, rows=["examples", "method"], columns=["dataset", "score"]),
        Picture("fewshot", _figure(with_reported[with_reported["method"] != f"{ours}, {WITHOUT}"])),
        Picture("fewshot-que", _figure(que_rows)),
    ]


def _figure(cells: pd.DataFrame) -> Figure:
    points = cells.rename(columns={"method": "line", "examples": "x"})
    panels = [
        Panel(str(dataset), rows, f"{SCORE_NAMES['f1']}, average over languages")
        for dataset, rows in points[points["score"] == "f1"].groupby("dataset", sort=False)
    ]
    return line_figure(panels, xlabel="English examples", log_x=True)


FEW_SHOT = Study(chains=chains, artefacts=artefacts, lists=("examples", "samples"), tasks=("mrc",))
