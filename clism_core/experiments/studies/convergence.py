"""Figure 4(a): development score by fine-tuning step."""

from dataclasses import replace

from clism_core.experiments.studies.artefacts import MEASURED, Artefact, Panel, Picture, Table, line_figure
from clism_core.experiments.studies.building_blocks import first_ours, full_chain
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import Study
from clism_core.experiments.studies.results import Results, summarise
from clism_core.experiments.studies.run_graph import Chain


def chains(config: StudyConfig) -> list[Chain]:
    """Return our first method and its base encoder, with early evaluations, on the development data only."""
    ours = first_ours(config)
    full = [full_chain(config, method, "mrc", seed) for method in (config.ours[ours], ours) for seed in config.seeds]
    loop = replace(config.mrc.loop, evaluate_at=sorted(config.curve_steps))
    return [replace(chain, finetune=replace(chain.finetune, loop=loop), evaluate=None) for chain in full]


def artefacts(config: StudyConfig, measured: Results) -> list[Artefact]:
    """Return the curves as a figure and a table."""
    curves = measured.curves("finetune", f"eval/{config.mrc.language}/f1")
    cells = summarise(curves, ["method", "step"]).assign(source=MEASURED)
    points = cells.rename(columns={"method": "line", "step": "x"})
    panel = Panel("Development data", points, "F1")
    caption = "F1 on the development data by fine-tuning step."
    return [
        Table("convergence", caption, cells, rows=["method"], columns=["step"]),
        Picture("convergence", line_figure([panel], xlabel="fine-tuning step")),
    ]


CONVERGENCE = Study(
    chains=chains, artefacts=artefacts, lists=("seeds", "curve_steps"), tasks=("mrc",), uses_test_sets=False
)
